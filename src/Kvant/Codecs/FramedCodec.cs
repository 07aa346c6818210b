using System.Numerics.Tensors;
using Kvant.Memory;

namespace Kvant.Codecs;

/// <summary>
/// Rows as a frame sees them (<see cref="HeadFrame"/>), learnt once from the first 128 rows of a head: less the vector that all of them share, in units that
/// make channels matter alike. It costs no byte by row. Another codec takes what is left.
/// </summary>
/// <remarks>
/// <para>Models with biases in their keys (Qwen2.5) have a shared vector many times longer than what tells keys apart, and positions turn it: no mean of
/// neighbors removes its fast pairs, one vector before positions does. Queries do not look at all channels alike either: dividing a channel of the keys and multiplying it in
/// the query changes no score, but moves the error to where it matters less.</para>
/// <para>A score is that of what is left, plus query . shared vector, in floats (<see cref="FrameScores"/>). Both numbers of a pair share a unit, so that units and
/// positions commute. Without a rotary embedding the shared vector is the mean of the rows as they are.</para>
/// </remarks>
internal sealed class FramedCodec : Codec
{
    private const int LearntRows = 128;

    // As many rows as are looked at together: a buffer that stays in the first-level cache.
    private const int TileFloats = 4096;

    private static readonly HeadFrame s_none = HeadFrame.Create(new RotaryTables([], RotaryPairs.Halves), [], []);

    private readonly Codec _inner;
    private readonly bool _balanced;
    private readonly KnownTables _tables;
    private readonly HeadFrame _frame;
    private readonly byte[] _state; // empty before calibration
    private readonly float[] _sharedInBasis; // where nothing turns

    private FramedCodec(Codec inner, bool balanced)
        : this(inner, balanced, new(), s_none, [])
    {
    }

    private FramedCodec(Codec inner, bool balanced, KnownTables tables, HeadFrame frame, byte[] state)
        : base(inner.Dimension, inner.RowsPerBlock, inner.BytesPerBlock)
    {
        (_inner, _balanced, _tables, _frame, _state, _sharedInBasis) = (inner, balanced, tables, frame, state, new float[Dimension]);
        if (state.Length == 0 || frame.Tables.Count > 0)
            return;
        TensorPrimitives.Divide(frame.Constant, frame.Units, _sharedInBasis);
        inner.PartToBasis(_sharedInBasis, _sharedInBasis);
    }

    internal override BlockForm? Form => _inner.Form is not { } inner ? null : inner with
    {
        IsFramed = true,
        Turning = _frame.Tables.Count > 0 ? _frame.Tables : null,
        Shared = _sharedInBasis,
        Coding = inner.Coding is { } coding ? coding with { Frame = _frame } : null,
    };

    public override int CalibrationRows => LearntRows;

    internal override bool LearnsFromQueries => _balanced;

    public override int StateBytes => HeadFrame.StateBytes(Dimension);

    public override ReadOnlySpan<byte> State => _state;

    public override int ScaleBytesPerBlock => _inner.ScaleBytesPerBlock;

    public override int PreparedLength => _inner.PreparedLength + FrameScores.Length(Dimension);

    private int TileRows => Math.Max(1, TileFloats / (RowsPerBlock * Dimension)) * RowsPerBlock;

    /// <summary>What a method whose settings have <see cref="CommonSettings.Frame"/> makes.</summary>
    /// <param name="create">Makes the codec of what is left.</param>
    public static Func<CodecSpec, int, CodecRole, Codec> Around(Func<CodecSpec, int, CodecRole, Codec> create) => (spec, dimension, role) =>
    {
        Codec inner = create(spec, dimension, role);
        if (spec["frame"] == "0")
            return inner;
        return inner.CalibrationRows == 0 ? new FramedCodec(inner, spec["frame"] == "balanced")
            : throw new ArgumentException("a frame has a mean of the whole head already: mean is 0, 32, 64 or 128 with it.", nameof(spec));
    };

    protected override Codec CalibrateRows(ReadOnlySpan<float> rows, CalibrationContext context)
    {
        RotaryTables tables = _tables.Of(context.Rotary?.Speeds(Dimension) ?? [], context.Rotary?.Pairs ?? RotaryPairs.Halves);
        HeadFrame frame = FrameLearning.Learn(rows, Dimension, tables, context.QueryEnergies, _balanced, _inner is BlockMeanCodec ? _inner.RowsPerBlock : 1);
        byte[] state = new byte[StateBytes];
        frame.Write(state);
        return new FramedCodec(_inner, _balanced, _tables, frame, state);
    }

    internal override bool IsStateFor(ReadOnlySpan<byte> state, CalibrationContext context) =>
        HeadFrame.IsTurnedBy(state, Dimension, context.Rotary?.Speeds(Dimension) ?? [], context.Rotary?.Pairs ?? RotaryPairs.Halves);

    internal override bool CanTakeStateOf(Codec other) => other is FramedCodec framed && framed._balanced == _balanced;

    protected override Codec RestoreState(ReadOnlySpan<byte> state) =>
        new FramedCodec(_inner, _balanced, _tables, HeadFrame.Read(state, Dimension, _tables.Of), state.ToArray());

    protected override void ToBasis(ReadOnlySpan<float> queries, Span<float> inBasis)
    {
        using var scratch = new AlignedScratch(queries.Length);
        for (int i = 0; i < queries.Length; i += Dimension)
            TensorPrimitives.Multiply(queries.Slice(i, Dimension), _frame.Units, scratch.Floats.Slice(i, Dimension));
        _inner.PartToBasis(scratch.Floats, inBasis);
    }

    protected override void FromBasis(ReadOnlySpan<float> accumulators, Span<float> outputs)
    {
        _inner.PartFromBasis(accumulators, outputs);
        for (int i = 0; i < outputs.Length; i += Dimension)
            TensorPrimitives.Multiply(outputs.Slice(i, Dimension), _frame.Units, outputs.Slice(i, Dimension));
    }

    protected override void PrepareQuery(ReadOnlySpan<float> query, ReadOnlySpan<float> inBasis, Span<float> prepared)
    {
        _inner.PreparePart(query, inBasis, prepared[.._inner.PreparedLength]);
        FrameScores.Prepare(_frame, query, prepared[_inner.PreparedLength..]);
    }

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block) => EncodeBlocksAt(0, rows, block);

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows) => DecodeBlockAt(0, block, rows);

    private protected override void EncodeBlocksAt(int firstRow, ReadOnlySpan<float> rows, Span<byte> blocks)
    {
        int tile = TileRows;
        using var scratch = new AlignedScratch(tile * Dimension);
        for (int i = 0, at = 0; i < rows.Length; i += tile * Dimension, at += tile / RowsPerBlock * BytesPerBlock)
        {
            Span<float> left = scratch.Floats[..Math.Min(tile * Dimension, rows.Length - i)];
            _frame.Enter(rows.Slice(i, left.Length), firstRow + (i / Dimension), left);
            _inner.EncodePart(left, blocks.Slice(at, left.Length / (RowsPerBlock * Dimension) * BytesPerBlock));
        }
    }

    private protected override void DecodeBlockAt(int firstRow, ReadOnlySpan<byte> block, Span<float> rows)
    {
        _inner.DecodePart(block, rows);
        _inner.PartFromBasis(rows, rows);
        using var scratch = new AlignedScratch(rows.Length);
        _frame.Leave(rows, firstRow, scratch.Floats);
    }

    private protected override void ReencodeBlocksAt(int firstRow, ReadOnlySpan<float> rows, ReadOnlySpan<byte> cut, int kept, Span<byte> blocks)
    {
        using var scratch = new AlignedScratch(rows.Length);
        _frame.Enter(rows, firstRow, scratch.Floats);
        _inner.ReencodePart(scratch.Floats, cut, kept, blocks);
    }

    // What is multiplied by units must not overflow.
    private protected override bool IsFinite(ReadOnlySpan<byte> block) => _inner.AreFinite(block) && (_inner is not Q8Codec || Q8Codec.IsModest(block));

    private protected override void ScoreBlocksAt(
        int firstRow, PreparedQueries prepared, ReadOnlySpan<byte> blocks, Span<float> scores, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        _inner.ScorePart(prepared, blocks, scores, arithmetic, upcoming);
        FrameScores.Add(_frame, prepared.Slots, prepared.Length, prepared.Count, firstRow, scores);
    }

    private protected override void AccumulateBlocksAt(
        int firstRow, ReadOnlySpan<float> weights, ReadOnlySpan<byte> blocks, Span<float> accumulators, Arithmetic arithmetic, ReadOnlySpan<byte> upcoming)
    {
        _inner.AccumulatePart(weights, blocks, accumulators, arithmetic, upcoming);
        int rows = blocks.Length / BytesPerBlock * RowsPerBlock, queries = accumulators.Length / Dimension;
        for (int q = 0; q < queries; q++)
            AddShared(firstRow, weights.Slice(q * rows, rows), accumulators.Slice(q * Dimension, Dimension));
    }

    // Values do not turn; rows that do are keys, whose sums nobody needs, and may take their time.
    private void AddShared(int firstRow, ReadOnlySpan<float> weights, Span<float> accumulator)
    {
        if (_frame.Tables.Count == 0)
        {
            TensorPrimitives.MultiplyAdd(_sharedInBasis, TensorPrimitives.Sum(weights), accumulator, accumulator);
            return;
        }

        Span<float> sum = stackalloc float[Dimension], shared = stackalloc float[Dimension];
        sum.Clear();
        for (int row = 0; row < weights.Length; row++)
        {
            _frame.Shared(firstRow + row, shared);
            TensorPrimitives.MultiplyAdd(shared, weights[row], sum, sum);
        }

        TensorPrimitives.Divide(sum, _frame.Units, sum);
        _inner.PartToBasis(sum, sum);
        TensorPrimitives.Add(accumulator, sum, accumulator);
    }

    // All heads turn alike: the tables of the last that was learnt or read are those of the next.
    private sealed class KnownTables
    {
        private RotaryTables? _last;

        public RotaryTables Of(double[] speeds, RotaryPairs pairs)
        {
            RotaryTables? last = Volatile.Read(ref _last);
            if (last is null || last.Pairs != pairs || !last.Speeds.SequenceEqual(speeds))
                Volatile.Write(ref _last, last = new RotaryTables(speeds, pairs));
            return last;
        }
    }
}
