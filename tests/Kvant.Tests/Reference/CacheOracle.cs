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
    private readonly LayerGeometry _shape;
    private readonly Eviction _eviction;
    private readonly int _block;
    private readonly int _calibration;
    private readonly int[] _ages;
    private readonly bool _half;
    private readonly Head[] _heads;

    // Of each token beside the sinks, whether somebody or a rule wanted it to be forgotten, and whether the sliding window left it behind.
    private readonly List<(bool Wanted, bool Left)> _forgotten;

    public CacheOracle(KvCacheOptions options, int layer = 0)
    {
        (_options, LayerSpecs specs) = (options, options.Policy[layer]);
        (_shape, _eviction, _forgotten) = (options.Geometry[layer], specs.Eviction ?? options.Eviction, []);
        (CodecSpec Keys, CodecSpec Values)[] steps = [(specs.Keys, specs.Values), .. specs.Ages.Select(step => (step.Keys, step.Values))];
        Codec[] keys = [.. steps.Select(step => step.Keys.CreateCodec(_shape.KeyDimension, CodecRole.KeyTiles))];
        Codec[] values = _shape.ValuesInKeys ? [] : [.. steps.Select(step => step.Values.CreateCodec(_shape.ValueDimension, CodecRole.ValueTiles))];
        bool[] sameKeys = [.. steps.Select((step, i) => i > 0 && step.Keys == steps[i - 1].Keys)], sameValues = [.. steps.Select((step, i) => i > 0 && step.Values == steps[i - 1].Values)];
        _block = keys.Concat(values).Max(codec => codec.RowsPerBlock);
        _calibration = keys.Concat(values).Max(codec => codec.CalibrationRows);
        _ages = [.. specs.Ages.Select(step => step.Age)];
        _half = (options.WindowCodec?.Method.Name ?? (specs.Keys.Method.Name == "fp32" || specs.Values.Method.Name == "fp32" ? "fp32" : "fp16")) == "fp16";
        _heads = [.. Enumerable.Range(0, _shape.KvHeads).Select(_ => new Head(keys, values, sameKeys, sameValues, _shape.Rotary))];
    }

    private CacheOracle(CacheOracle other)
    {
        (_options, _shape, _eviction, _block, _calibration, _ages, _half) = (other._options, other._shape, other._eviction, other._block, other._calibration, other._ages, other._half);
        (Length, _forgotten) = (other.Length, [.. other._forgotten]);
        _heads = [.. other._heads.Select(h => h.Copy())];
    }

    public int Length { get; private set; }

    public int FirstLive => _options.Sinks + _forgotten.FindLastIndex(token => token.Wanted || token.Left) + 1;

    /// <summary>The positions that are neither evicted nor cut.</summary>
    public int[] Positions => [.. Enumerable.Range(0, Length).Where(p => p < _options.Sinks || p >= FirstLive)];

    public CacheOracle Copy() => new(this);

    /// <summary>Adds tokens, [token, head, number], one after the other.</summary>
    public void Append(float[] keys, float[] values, int tokens)
    {
        int heads = _heads.Length, dk = _shape.KeyDimension, dv = _shape.ValuesInKeys ? 0 : _shape.ValueDimension;
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

            // What so many are newer than goes down the ladder, block by block.
            for (int step = 1; step <= _ages.Length; step++)
            {
                for (int i = _heads[0].Count(step); i < _heads[0].Count(step - 1) && rows - ((i + 1) * _block) >= _ages[step - 1]; i++)
                {
                    foreach (Head head in _heads)
                        head.Age(i, step);
                }
            }

            if (rows > 0)
                _forgotten.Add(default);
            Evict(_eviction switch
            {
                Eviction.Newest window => Length - window.Tokens,
                Eviction.MaxTokens most => Length - (most.Tokens - _options.Sinks),
                _ => 0,
            });
            Forget(_shape.SlidingWindow == 0 ? 0 : Length - _shape.SlidingWindow - _options.DraftTokens, token => token with { Left = true });
        }
    }

    public void Evict(int firstLive) => Forget(firstLive, token => token with { Wanted = true });

    /// <summary>Whether the sliding window misses nothing after a cut but what somebody wanted to be forgotten.</summary>
    public bool CanTruncate(int length) => length >= Length || length <= _options.Sinks
        || !_forgotten.Skip(length - _shape.SlidingWindow - _options.Sinks).Any(token => token is { Left: true, Wanted: false });

    public void Truncate(int length)
    {
        if (length >= Length)
            return;
        int firstLive = FirstLive;
        int rows = Math.Max(0, length - _options.Sinks);
        foreach (Head head in _heads)
        {
            if (length < _options.Sinks)
                head.Sinks.RemoveRange(length, head.Sinks.Count - length);
            int body = head.Blocks.Count * _block;
            if (rows >= body)
                head.Shorten(rows - body);
            else
                head.Cut(rows, _block, evicted: (rows / _block * _block) + _block <= firstLive - _options.Sinks, Round);
        }

        _forgotten.RemoveRange(rows, _forgotten.Count - rows);
        Length = length;
    }

    /// <summary>Tokens that live and are as they were appended: sinks, and those of the window that no cut brought back.</summary>
    public int ExactRows => Positions.Count(p => p < _options.Sinks || p >= _options.Sinks + (_heads[0].Blocks.Count * _block) + _heads[0].Left);

    /// <summary>The key and value of a head at a position.</summary>
    public (float[] Key, float[] Value) Row(int head, int position)
    {
        int row = position - _options.Sinks, body = _heads[head].Blocks.Count * _block;
        (float[] key, float[] value) = row < 0 ? _heads[head].Sinks[position] : row >= body ? _heads[head].Window[row - body] : _heads[head].Decode(row / _block)[row % _block];
        return (key, _shape.ValuesInKeys ? key[.._shape.ValueDimension] : value);
    }

    private void Forget(int firstLive, Func<(bool Wanted, bool Left), (bool Wanted, bool Left)> how)
    {
        for (int i = 0; i < Math.Min(firstLive - _options.Sinks, _forgotten.Count); i++)
            _forgotten[i] = how(_forgotten[i]);
    }

    private float[] Round(ReadOnlySpan<float> row)
    {
        float[] rounded = row.ToArray();
        for (int i = 0; i < rounded.Length && _half; i++)
            rounded[i] = (float)(Half)rounded[i];
        return rounded;
    }

    private delegate float[] Rounding(ReadOnlySpan<float> row);

    private sealed class Head(Codec[] keys, Codec[] values, bool[] sameKeys, bool[] sameValues, RotaryEmbedding? rotary)
    {
        private Codec[] _chosenKeys = [];
        private Codec[] _chosenValues = [];

        public List<(float[] Key, float[] Value)> Sinks { get; private set; } = [];

        public List<(float[] Key, float[] Value)> Window { get; private set; } = [];

        public List<Block> Blocks { get; private set; } = [];

        // Decoded blocks: these never change.
        private readonly ConditionalWeakTable<Block, (float[] Key, float[] Value)[]> _decoded = [];

        // The block that was cut, and how many of its rows are left in the window. Of use to the newest step alone.
        private Block? _cut;

        public int Left { get; private set; }

        public bool IsCalibrated => Blocks.Count > 0 || (Left > 0 && _cut is not null);

        public Head Copy() => new(keys, values, sameKeys, sameValues, rotary)
        {
            Sinks = [.. Sinks],
            Window = [.. Window],
            Blocks = [.. Blocks],
            Left = Left,
            _cut = _cut,
            _chosenKeys = _chosenKeys,
            _chosenValues = _chosenValues,
        };

        /// <summary>Blocks of a step and of all that are older.</summary>
        public int Count(int step) => Blocks.Count(block => block.Step >= step);

        public void Close(int rows, int calibration)
        {
            if (!IsCalibrated)
            {
                _chosenKeys = [.. keys.Select(codec => codec.Calibrate([.. Window.Take(calibration).SelectMany(r => r.Key)], new CalibrationContext { Rotary = rotary }))];
                _chosenValues = [.. values.Select(codec => codec.Calibrate([.. Window.Take(calibration).SelectMany(r => r.Value)]))];
            }

            float[] blockKeys = [.. Window.Take(rows).SelectMany(r => r.Key)], blockValues = [.. Window.Take(rows).SelectMany(r => r.Value)];
            int first = Blocks.Count * rows;
            Blocks.Add(new(0, Encode(_chosenKeys[0], blockKeys, _cut?.Keys, first), values.Length == 0 ? [] : Encode(_chosenValues[0], blockValues, _cut?.Values, first)));
            Window.RemoveRange(0, rows);
            (Left, _cut) = (0, null);
        }

        /// <summary>Decodes a block and codes it for the next step; a side whose codec stays the same keeps its bytes.</summary>
        public void Age(int block, int step)
        {
            (float[] Key, float[] Value)[] rows = Decode(block);
            Block old = Blocks[block];
            byte[] newKeys = sameKeys[step] ? old.Keys : Encode(_chosenKeys[step], [.. rows.SelectMany(r => r.Key)], null, block * rows.Length);
            Blocks[block] = new(step, newKeys, values.Length == 0 || sameValues[step] ? old.Values : Encode(_chosenValues[step], [.. rows.SelectMany(r => r.Value)], null, block * rows.Length));
        }

        private byte[] Encode(Codec codec, float[] rows, byte[]? cut, int first)
        {
            byte[] block = new byte[rows.Length / codec.Dimension / codec.RowsPerBlock * codec.BytesPerBlock];
            if (Left == 0 || cut is null)
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

        public (float[] Key, float[] Value)[] Decode(int block) => _decoded.GetValue(Blocks[block], found =>
        {
            float[][] decodedKeys = Rows(_chosenKeys[found.Step], found.Keys), decodedValues = values.Length == 0 ? [.. decodedKeys.Select(_ => (float[])[])] : Rows(_chosenValues[found.Step], found.Values);
            return [.. decodedKeys.Zip(decodedValues)];

            float[][] Rows(Codec codec, byte[] bytes)
            {
                float[] rows = new float[bytes.Length / codec.BytesPerBlock * codec.RowsPerBlock * codec.Dimension];
                codec.Decode(bytes, rows, block * (rows.Length / codec.Dimension));
                return [.. rows.Chunk(codec.Dimension)];
            }
        });

        public void Cut(int rows, int block, bool evicted, Rounding round)
        {
            Window.Clear();
            Block cut = Blocks[rows / block];
            (_cut, Left) = (cut.Step == 0 ? cut : null, evicted ? 0 : rows % block);
            if (rows % block > 0)
            {
                Window.AddRange(Decode(rows / block).Take(rows % block)
                    .Select(r => evicted ? (new float[r.Key.Length], new float[r.Value.Length]) : (round(r.Key), round(r.Value))));
            }

            Blocks.RemoveRange(rows / block, Blocks.Count - (rows / block));
        }

        public sealed record Block(int Step, byte[] Keys, byte[] Values);
    }
}
