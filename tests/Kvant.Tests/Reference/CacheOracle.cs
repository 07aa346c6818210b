using System.Runtime.CompilerServices;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Tests.Reference;

/// <summary>
/// A layer of a cache, row by row in plain lists: the rules of the house (rounded at the door, whole blocks, choices from the first rows,
/// truncation, eviction) written once more, without rings, pages or batches.
/// </summary>
internal sealed class CacheOracle
{
    private readonly KvCacheOptions _options;
    private readonly int _block;
    private readonly int _calibration;
    private readonly bool _half;
    private readonly Head[] _heads;

    public CacheOracle(KvCacheOptions options, int layer = 0)
    {
        (_options, LayerSpecs specs) = (options, options.Policy[layer]);
        CacheGeometry geometry = options.Geometry;
        Codec keys = specs.Keys.CreateCodec(geometry.KeyDimension, CodecRole.KeyTiles), values = specs.Values.CreateCodec(geometry.ValueDimension, CodecRole.ValueTiles);
        _block = Math.Max(keys.RowsPerBlock, values.RowsPerBlock);
        _calibration = Math.Max(keys.CalibrationRows, values.CalibrationRows);
        _half = (options.WindowCodec?.Method.Name ?? (specs.Keys.Method.Name == "fp32" || specs.Values.Method.Name == "fp32" ? "fp32" : "fp16")) == "fp16";
        _heads = [.. Enumerable.Range(0, geometry.KvHeads).Select(_ => new Head(keys, values, geometry.Rotary))];
        FirstLive = options.Sinks;
    }

    private CacheOracle(CacheOracle other)
    {
        (_options, _block, _calibration, _half) = (other._options, other._block, other._calibration, other._half);
        (Length, FirstLive) = (other.Length, other.FirstLive);
        _heads = [.. other._heads.Select(h => h.Copy())];
    }

    public int Length { get; private set; }

    public int FirstLive { get; private set; }

    /// <summary>The positions that are neither evicted nor cut.</summary>
    public int[] Positions => [.. Enumerable.Range(0, Length).Where(p => p < _options.Sinks || p >= FirstLive)];

    public CacheOracle Copy() => new(this);

    /// <summary>Adds tokens, [token, head, number], one after the other.</summary>
    public void Append(float[] keys, float[] values, int tokens)
    {
        int heads = _heads.Length, dk = _options.Geometry.KeyDimension, dv = _options.Geometry.ValueDimension;
        for (int t = 0; t < tokens; t++)
        {
            for (int h = 0; h < heads; h++)
            {
                float[] key = Round(keys.AsSpan(((t * heads) + h) * dk, dk)), value = Round(values.AsSpan(((t * heads) + h) * dv, dv));
                (Length < _options.Sinks ? _heads[h].Sinks : _heads[h].Window).Add((key, value));
            }

            Length++;
            int rows = Math.Max(0, Length - _options.Sinks);
            while (_heads[0].Window.Count >= _options.Window + _options.DraftTokens + _block && (_heads[0].IsCalibrated || rows >= _calibration))
            {
                foreach (Head head in _heads)
                    head.Close(_block, _calibration);
            }

            FirstLive = Math.Max(FirstLive, _options.Eviction switch
            {
                Eviction.Newest window => Length - window.Tokens,
                Eviction.MaxTokens most => Length - (most.Tokens - _options.Sinks),
                _ => 0,
            });
        }
    }

    public void Evict(int firstLive) => FirstLive = Math.Max(FirstLive, firstLive);

    public void Truncate(int length)
    {
        if (length >= Length)
            return;
        int rows = Math.Max(0, length - _options.Sinks);
        foreach (Head head in _heads)
        {
            if (length < _options.Sinks)
                head.Sinks.RemoveRange(length, head.Sinks.Count - length);
            int body = head.Blocks.Count * _block;
            if (rows >= body)
                head.Shorten(rows - body);
            else
                head.Cut(rows, _block, evicted: (rows / _block * _block) + _block <= FirstLive - _options.Sinks, Round);
        }

        FirstLive = Math.Max(_options.Sinks, Math.Min(FirstLive, length));
        Length = length;
    }

    /// <summary>Tokens that live and are as they were appended: sinks, and those of the window that no cut brought back.</summary>
    public int ExactRows => Positions.Count(p => p < _options.Sinks || p >= _options.Sinks + (_heads[0].Blocks.Count * _block) + _heads[0].Left);

    /// <summary>The key and value of a head at a position.</summary>
    public (float[] Key, float[] Value) Row(int head, int position)
    {
        if (position < _options.Sinks)
            return _heads[head].Sinks[position];
        int row = position - _options.Sinks, body = _heads[head].Blocks.Count * _block;
        return row >= body ? _heads[head].Window[row - body] : _heads[head].Decode(row / _block)[row % _block];
    }

    private float[] Round(ReadOnlySpan<float> row)
    {
        float[] rounded = row.ToArray();
        for (int i = 0; i < rounded.Length && _half; i++)
            rounded[i] = (float)(Half)rounded[i];
        return rounded;
    }

    private delegate float[] Rounding(ReadOnlySpan<float> row);

    private sealed class Head(Codec keys, Codec values, RotaryEmbedding? rotary)
    {
        private Codec? _chosenKeys;
        private Codec? _chosenValues;

        public List<(float[] Key, float[] Value)> Sinks { get; private set; } = [];

        public List<(float[] Key, float[] Value)> Window { get; private set; } = [];

        public List<(byte[] Keys, byte[] Values)> Blocks { get; private set; } = [];

        // Decoded blocks, by their bytes: these never change.
        private readonly ConditionalWeakTable<byte[], (float[] Key, float[] Value)[]> _decoded = [];

        // The block that was cut, and how many of its rows are left in the window.
        private (byte[] Keys, byte[] Values) _cut;

        public int Left { get; private set; }

        public bool IsCalibrated => Blocks.Count > 0 || Left > 0;

        public Head Copy() => new(keys, values, rotary)
        {
            Sinks = [.. Sinks],
            Window = [.. Window],
            Blocks = [.. Blocks],
            Left = Left,
            _cut = _cut,
            _chosenKeys = _chosenKeys,
            _chosenValues = _chosenValues,
        };

        public void Close(int rows, int calibration)
        {
            if (!IsCalibrated)
            {
                _chosenKeys = keys.Calibrate([.. Window.Take(calibration).SelectMany(r => r.Key)], new CalibrationContext { Rotary = rotary });
                _chosenValues = values.Calibrate([.. Window.Take(calibration).SelectMany(r => r.Value)]);
            }

            float[] blockKeys = [.. Window.Take(rows).SelectMany(r => r.Key)], blockValues = [.. Window.Take(rows).SelectMany(r => r.Value)];
            int first = Blocks.Count * rows;
            Blocks.Add((Encode(_chosenKeys!, blockKeys, _cut.Keys, first), Encode(_chosenValues!, blockValues, _cut.Values, first)));
            Window.RemoveRange(0, rows);
            Left = 0;
        }

        private byte[] Encode(Codec codec, float[] rows, byte[] cut, int first)
        {
            byte[] block = new byte[rows.Length / codec.Dimension / codec.RowsPerBlock * codec.BytesPerBlock];
            if (Left == 0)
                codec.Encode(rows, block, first);
            else
                codec.Reencode(rows, cut, Left, block, first);
            return block;
        }

        // Rows of the window that were left of a cut block may be cut too.
        public void Shorten(int rows)
        {
            Window.RemoveRange(rows, Window.Count - rows);
            Left = Math.Min(Left, rows);
        }

        public (float[] Key, float[] Value)[] Decode(int block) => _decoded.GetValue(Blocks[block].Keys, _ =>
        {
            return [.. Rows(_chosenKeys!, Blocks[block].Keys).Zip(Rows(_chosenValues!, Blocks[block].Values))];

            IEnumerable<float[]> Rows(Codec codec, byte[] bytes)
            {
                float[] rows = new float[bytes.Length / codec.BytesPerBlock * codec.RowsPerBlock * codec.Dimension];
                codec.Decode(bytes, rows, block * (rows.Length / codec.Dimension));
                return rows.Chunk(codec.Dimension);
            }
        });

        public void Cut(int rows, int block, bool evicted, Rounding round)
        {
            Window.Clear();
            (_cut, Left) = (Blocks[rows / block], evicted ? 0 : rows % block);
            if (rows % block > 0)
            {
                Window.AddRange(Decode(rows / block).Take(rows % block)
                    .Select(r => evicted ? (new float[r.Key.Length], new float[r.Value.Length]) : (round(r.Key), round(r.Value))));
            }

            Blocks.RemoveRange(rows / block, Blocks.Count - (rows / block));
        }
    }
}
