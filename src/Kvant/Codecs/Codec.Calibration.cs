namespace Kvant.Codecs;

// Choices that depend on data, such as outlier channels: made once per head, stored beside the blocks.
public abstract partial class Codec
{
    /// <summary>
    /// Rows that the codec must see before it can encode: 0 for nearly all. Where it is not 0, <see cref="Calibrate"/> takes
    /// the first rows of a head and returns the codec for that head.
    /// </summary>
    public virtual int CalibrationRows => 0;

    /// <summary>Whether the choice looks at <see cref="CalibrationContext.QueryEnergies"/>.</summary>
    internal virtual bool LearnsFromQueries => false;

    /// <summary>Bytes of <see cref="State"/> that are stored once per head, beside the blocks.</summary>
    public virtual int StateBytes => 0;

    /// <summary>What calibration chose, as bytes; empty for a codec that needs none or is not calibrated yet.</summary>
    public virtual ReadOnlySpan<byte> State => [];

    /// <summary>Whether the codec can encode and decode as it is.</summary>
    public bool IsCalibrated => StateBytes == 0 || State.Length == StateBytes;

    /// <summary>
    /// How many of a head's first rows are held in blocks: whole blocks only, and none before there are enough rows to
    /// calibrate from. The rest, the tail, stays in 16-bit floats.
    /// </summary>
    /// <param name="rows">Rows of the head so far.</param>
    public int RowsInBlocks(int rows) => rows < CalibrationRows ? 0 : rows - (rows % RowsPerBlock);

    /// <summary>Returns the codec for the head that these rows begin.</summary>
    /// <param name="rows">The first rows of the head; those beyond <see cref="CalibrationRows"/> are not looked at, so that
    /// the choice never depends on how the tokens were split.</param>
    /// <param name="context">What is known of the head beside its rows; null for nothing.</param>
    /// <exception cref="ArgumentException">There are fewer than <see cref="CalibrationRows"/> rows, or a number is not finite.</exception>
    public Codec Calibrate(ReadOnlySpan<float> rows, CalibrationContext? context = null)
    {
        if (CalibrationRows == 0)
            return this;
        long wanted = (long)CalibrationRows * Dimension;
        if (rows.Length < wanted)
            throw new ArgumentException($"Calibration needs {wanted} floats ({CalibrationRows} rows); there are {rows.Length}.", nameof(rows));
        RequireFinite(rows[..(int)wanted]);
        return CalibrateRows(rows[..(int)wanted], context ?? CalibrationContext.Unknown);
    }

    /// <summary>Returns the codec that an earlier calibration made, from its stored <see cref="State"/>.</summary>
    /// <param name="state">Exactly <see cref="StateBytes"/> bytes.</param>
    /// <exception cref="ArgumentException">The length is wrong or the bytes are not a state of this codec.</exception>
    public Codec WithState(ReadOnlySpan<byte> state)
    {
        RequireLength(state.Length, StateBytes, nameof(state));
        return StateBytes == 0 ? this : RestoreState(state);
    }

    /// <summary>Whether a state could have been chosen where this is known: for files, which must not make a codec keep more than one embedding's tables.</summary>
    internal virtual bool IsStateFor(ReadOnlySpan<byte> state, CalibrationContext context) => true;

    /// <summary>Whether the choice of another codec, for the same rows, is one that this could have made: then it need not see them.</summary>
    internal virtual bool CanTakeStateOf(Codec other) => false;

    /// <summary>What <see cref="Calibrate"/> does after its checks.</summary>
    /// <param name="rows"><see cref="CalibrationRows"/> times <see cref="Dimension"/> finite floats.</param>
    /// <param name="context">What else is known.</param>
    protected virtual Codec CalibrateRows(ReadOnlySpan<float> rows, CalibrationContext context) => this;

    /// <summary>What <see cref="WithState"/> does after its checks.</summary>
    /// <param name="state"><see cref="StateBytes"/> bytes.</param>
    protected virtual Codec RestoreState(ReadOnlySpan<byte> state) => this;

    private void RequireCalibrated()
    {
        if (!IsCalibrated)
            throw new InvalidOperationException($"This codec chooses from data: call Calibrate with the first {CalibrationRows} rows of the head, or WithState.");
    }
}
