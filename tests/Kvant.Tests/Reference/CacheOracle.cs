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
    private readonly List<Step> _steps;
    private readonly bool _half;
    private readonly Head[] _heads;

    // Of each token beside the sinks, whether somebody or a rule wanted it to be forgotten, and whether the sliding window left it behind.
    private readonly List<(bool Wanted, bool Left)> _forgotten;

    public CacheOracle(KvCacheOptions options, int layer = 0)
    {
        (_options, LayerSpecs specs) = (options, options.Policy[layer]);
        (_shape, _eviction, _forgotten) = (options.Geometry[layer], specs.Eviction ?? options.Eviction, []);
        _steps = [Make(specs.Keys, specs.Values, 0), .. specs.Ages.Select(step => Make(step.Keys, step.Values, step.Age))];
        _block = _steps.Max(step => step.BlockRows);
        _half = (options.WindowCodec?.Method.Name ?? (specs.Keys.Method.Name == "fp32" || specs.Values.Method.Name == "fp32" ? "fp32" : "fp16")) == "fp16";
        _heads = [.. Enumerable.Range(0, _shape.KvHeads).Select(_ => new Head(_shape.Rotary))];
    }

    private CacheOracle(CacheOracle other)
    {
        (_options, _shape, _eviction, _block, _steps, _half) = (other._options, other._shape, other._eviction, other._block, [.. other._steps], other._half);
        (Length, _forgotten) = (other.Length, [.. other._forgotten]);
        _heads = [.. other._heads.Select(h => h.Copy())];
    }

    public int Length { get; private set; }

    private int Calibration => _steps.Max(step => step.CalibrationRows);

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
            while (_heads[0].Window.Count >= _options.Window + _options.DraftTokens + _block && (_heads[0].IsCalibrated || rows >= Calibration))
            {
                foreach (Head head in _heads)
                    head.Close(_block, Calibration, _steps);
            }

            // What so many are newer than goes down the ladder, block by block.
            for (int step = 1; step < _steps.Count; step++)
            {
                for (int i = _heads[0].Count(step); i < _heads[0].Count(step - 1) && rows - ((i + 1) * _block) >= _steps[step].Age; i++)
                {
                    foreach (Head head in _heads)
                        head.Move(i, step, _steps);
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

    /// <summary>Whether <see cref="Recode"/> has blocks that fit those of the layer.</summary>
    public bool CanRecode(LayerSpecs specs) => Make(specs.Keys, specs.Values, AgeStep.Never).BlockRows <= _block;

    /// <summary>Codes the oldest tokens again, straight from what they are now.</summary>
    public void Recode(LayerSpecs specs, int tokens)
    {
        List<int> kept = [.. Enumerable.Range(0, _steps.Count).Where(step => _steps[step].Age < AgeStep.Never || _heads[0].Blocks.Exists(block => block.Step == step))];
        List<Step> steps = [.. kept.Select(step => _steps[step])];
        bool goesOn = steps[^1].Age == AgeStep.Never && (steps[^1].KeySpec, steps[^1].ValueSpec) == (specs.Keys, specs.Values);
        if (!goesOn)
            steps.Add(Make(specs.Keys, specs.Values, AgeStep.Never));
        int rows = Math.Max(0, Length - _options.Sinks), blocks = rows < steps.Max(step => step.CalibrationRows) ? 0 : Math.Min(Math.Max(0, tokens - _options.Sinks) / _block, _heads[0].Blocks.Count);
        if (blocks <= _heads[0].Count(goesOn ? kept[^1] : int.MaxValue))
            return;
        foreach (Head head in _heads)
            head.Recode(blocks, kept, steps, _steps);
        _steps.Clear();
        _steps.AddRange(steps);
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

    private Step Make(CodecSpec keys, CodecSpec values, int age) => new(
        keys, values, keys.CreateCodec(_shape.KeyDimension, CodecRole.KeyTiles), _shape.ValuesInKeys ? null : values.CreateCodec(_shape.ValueDimension, CodecRole.ValueTiles), age);

    private delegate float[] Rounding(ReadOnlySpan<float> row);

    private sealed record Step(CodecSpec KeySpec, CodecSpec ValueSpec, Codec Keys, Codec? Values, int Age)
    {
        public int BlockRows => Math.Max(Keys.RowsPerBlock, Values?.RowsPerBlock ?? 1);

        public int CalibrationRows => Math.Max(Keys.CalibrationRows, Values?.CalibrationRows ?? 0);
    }

    private sealed class Head(RotaryEmbedding? rotary)
    {
        // Of each step.
        private (Codec Keys, Codec? Values)[] _chosen = [];

        public List<(float[] Key, float[] Value)> Sinks { get; private set; } = [];

        public List<(float[] Key, float[] Value)> Window { get; private set; } = [];

        public List<Block> Blocks { get; private set; } = [];

        // Decoded blocks: these never change.
        private readonly ConditionalWeakTable<Block, (float[] Key, float[] Value)[]> _decoded = [];

        // The block that was cut, and how many of its rows are left in the window. Of use to the newest step alone.
        private Block? _cut;

        public int Left { get; private set; }

        public bool IsCalibrated => Blocks.Count > 0 || (Left > 0 && _cut is not null);

        public Head Copy() => new(rotary)
        {
            Sinks = [.. Sinks],
            Window = [.. Window],
            Blocks = [.. Blocks],
            Left = Left,
            _cut = _cut,
            _chosen = _chosen,
        };

        /// <summary>Blocks of a step and of all that are older.</summary>
        public int Count(int step) => Blocks.Count(block => block.Step >= step);

        public void Close(int rows, int calibration, List<Step> steps)
        {
            if (!IsCalibrated)
            {
                float[] firstKeys = [.. Window.Take(calibration).SelectMany(r => r.Key)], firstValues = [.. Window.Take(calibration).SelectMany(r => r.Value)];
                _chosen = [.. steps.Select(step => (step.Keys.Calibrate(firstKeys, new CalibrationContext { Rotary = rotary }), step.Values?.Calibrate(firstValues)))];
            }

            float[] blockKeys = [.. Window.Take(rows).SelectMany(r => r.Key)], blockValues = [.. Window.Take(rows).SelectMany(r => r.Value)];
            int first = Blocks.Count * rows;
            Blocks.Add(new(0, Encode(_chosen[0].Keys, blockKeys, _cut?.Keys, first), _chosen[0].Values is { } values ? Encode(values, blockValues, _cut?.Values, first) : []));
            Window.RemoveRange(0, rows);
            (Left, _cut) = (0, null);
        }

        /// <summary>Decodes a block and codes it for another step; a side whose codec stays the same keeps its bytes.</summary>
        public void Move(int block, int step, List<Step> steps)
        {
            (float[] Key, float[] Value)[] rows = Decode(block);
            Block old = Blocks[block];
            byte[] keys = steps[step].KeySpec == steps[old.Step].KeySpec ? old.Keys : Encode(_chosen[step].Keys, [.. rows.SelectMany(r => r.Key)], null, block * rows.Length);
            byte[] values = steps[step].Values is null || steps[step].ValueSpec == steps[old.Step].ValueSpec ? old.Values
                : Encode(_chosen[step].Values!, [.. rows.SelectMany(r => r.Value)], null, block * rows.Length);
            Blocks[block] = new(step, keys, values);
        }

        /// <summary>Codes the first blocks for the last of other steps.</summary>
        public void Recode(int blocks, List<int> kept, List<Step> steps, List<Step> before)
        {
            bool calibrated = before.Exists(step => step.CalibrationRows > 0);
            var chosen = new (Codec Keys, Codec? Values)[steps.Count];
            for (int i = 0; i < kept.Count; i++)
                chosen[i] = _chosen[kept[i]];
            if (steps.Count > kept.Count)
            {
                List<(float[] Key, float[] Value)> first = [.. Enumerable.Range(0, Blocks.Count).SelectMany(i => Decode(i)).Concat(Window)];
                Step last = steps[^1];
                chosen[^1] = (
                    Known(last.Keys, last.KeySpec, step => (step.KeySpec, step.Keys), i => _chosen[i].Keys) ?? last.Keys.Calibrate([.. first.Take(last.Keys.CalibrationRows).SelectMany(r => r.Key)], new CalibrationContext { Rotary = rotary }),
                    last.Values is null ? null : Known(last.Values, last.ValueSpec, step => (step.ValueSpec, step.Values!), i => _chosen[i].Values!) ?? last.Values.Calibrate([.. first.Take(last.Values.CalibrationRows).SelectMany(r => r.Value)]));
            }

            Blocks = [.. Blocks.Select(block => block with { Step = kept.IndexOf(block.Step) })];
            _cut = _cut is null ? null : _cut with { Step = 0 };
            _chosen = chosen;
            for (int i = 0; i < blocks; i++)
                Move(i, steps.Count - 1, steps);

            // What learns alike has learnt the same.
            Codec? Known(Codec codec, CodecSpec spec, Func<Step, (CodecSpec, Codec)> side, Func<int, Codec> choice)
            {
                for (int i = 0; i < before.Count && calibrated && codec.CalibrationRows > 0; i++)
                {
                    if (side(before[i]).Item1 == spec)
                        return choice(i);
                    if (codec.CanTakeStateOf(choice(i)))
                        return codec.WithState(choice(i).State);
                }

                return null;
            }
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
            (Codec keys, Codec? values) = _chosen[found.Step];
            float[][] decodedKeys = Rows(keys, found.Keys), decodedValues = values is null ? [.. decodedKeys.Select(_ => (float[])[])] : Rows(values, found.Values);
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

        // By reference: equal bytes at another place may mean other rows.
        public sealed record Block(int Step, byte[] Keys, byte[] Values)
        {
            public bool Equals(Block? other) => ReferenceEquals(this, other);

            public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);
        }
    }
}
