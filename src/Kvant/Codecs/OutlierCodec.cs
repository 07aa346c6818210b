using Kvant.Codebooks;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// Mixed bits (Zandieh et al., 2025, "TurboQuant", section 4.3): the channels of largest energy get one bit more than the others.
/// Two instances of TurboQuant, each with its own rotation, its own scale and the codebook of its own dimension.
/// </summary>
/// <remarks>The channels are chosen per head from its first 128 rows and stored once, as a bit per channel. A row is that of the
/// chosen channels, then that of the others.</remarks>
internal sealed class OutlierCodec : RotatedCodec
{
    private readonly byte[] _mask; // empty before calibration
    private readonly Part _chosen;
    private readonly Part _rest;

    // All heads share the parts: only the order of the channels is a head's own.
    private OutlierCodec(byte[] mask, Part chosen, Part rest)
        : base(new SplitRotation(Order(mask, chosen, rest), chosen.Rotation, rest.Rotation), 1, chosen.Coder.Bytes + rest.Coder.Bytes) =>
        (_mask, _chosen, _rest) = (mask, chosen, rest);

    public static CodecMethod Method { get; } = new(
        "outlier",
        "turboquant with one bit more for the channels of largest energy, chosen per head",
        [
            CodecSetting.Choice("bits", "2", ["2", "3"], "bits per number; the chosen channels get one more"),
            CodecSetting.Number("channels", 32, 3, MaxDimension, "channels with one bit more"),
            CommonSettings.Seed,
            CommonSettings.Scale,
        ],
        (spec, dimension, _) => Create(spec, dimension))
    {
        Steps = (spec, dimension) => Part.Steps(spec, Channels(spec), 1) + Part.Steps(spec, Math.Max(1, dimension - Channels(spec)), 0),
    };

    public override int CalibrationRows => 128;

    public override int StateBytes => (Dimension + 7) / 8;

    public override int ScaleBytesPerBlock => _chosen.Coder.ScaleBytes + _rest.Coder.ScaleBytes;

    public override ReadOnlySpan<byte> State => _mask;

    protected override Codec CalibrateRows(ReadOnlySpan<float> rows, CalibrationContext context)
    {
        double[] energy = new double[Dimension];
        for (int i = 0; i < rows.Length; i++)
            energy[i % Dimension] += (double)rows[i] * rows[i];
        byte[] mask = new byte[StateBytes];
        foreach (int channel in Enumerable.Range(0, Dimension).OrderByDescending(c => energy[c]).ThenBy(c => c).Take(_chosen.Rotation.Dimension))
            mask[channel / 8] |= (byte)(1 << (channel % 8));
        return new OutlierCodec(mask, _chosen, _rest);
    }

    protected override Codec RestoreState(ReadOnlySpan<byte> state)
    {
        int found = 0;
        for (int c = 0; c < 8 * state.Length; c++)
            found += IsSet(state, c) ? c < Dimension ? 1 : Dimension : 0;
        if (found != _chosen.Rotation.Dimension)
            throw new ArgumentException($"The state does not name {_chosen.Rotation.Dimension} of {Dimension} channels.", nameof(state));
        return new OutlierCodec(state.ToArray(), _chosen, _rest);
    }

    protected override void EncodeRotated(Span<float> rows, Span<byte> blocks)
    {
        for (int i = 0, at = 0; i < rows.Length; i += Dimension, at += BytesPerBlock)
        {
            _chosen.Coder.Encode(rows.Slice(i, _chosen.Rotation.Dimension), blocks.Slice(at, _chosen.Coder.Bytes));
            _rest.Coder.Encode(rows.Slice(i + _chosen.Rotation.Dimension, _rest.Rotation.Dimension), blocks.Slice(at + _chosen.Coder.Bytes, _rest.Coder.Bytes));
        }
    }

    protected override void DecodeInBasis(ReadOnlySpan<byte> block, Span<float> rows)
    {
        _chosen.Coder.Decode(block[.._chosen.Coder.Bytes], rows[.._chosen.Rotation.Dimension]);
        _rest.Coder.Decode(block[_chosen.Coder.Bytes..], rows[_chosen.Rotation.Dimension..]);
    }

    private static OutlierCodec Create(CodecSpec spec, int dimension)
    {
        if (dimension < Channels(spec) + 3)
            throw new ArgumentException($"the dimension must be at least {Channels(spec) + 3}.", nameof(dimension));
        return new OutlierCodec([], new Part(spec, Channels(spec), 1), new Part(spec, dimension - Channels(spec), 0));
    }

    private static int Channels(CodecSpec spec) => spec.Integer("channels");

    private static bool IsSet(ReadOnlySpan<byte> mask, int channel) => (mask[channel / 8] >> (channel % 8) & 1) != 0;

    // The chosen channels, then the others; before calibration any order, for nothing can be encoded yet.
    private static int[] Order(byte[] mask, Part chosen, Part rest) => [.. Enumerable.Range(0, chosen.Rotation.Dimension + rest.Rotation.Dimension)
        .OrderByDescending(c => mask.Length == 0 ? c < chosen.Rotation.Dimension : IsSet(mask, c))];

    private sealed class Part(CodecSpec spec, int dimension, int extraBits)
    {
        public Rotation Rotation { get; } = new HadamardRotation(dimension, spec.Seed() + (ulong)extraBits);

        public SphereRowCoder Coder { get; } = new(
            dimension,
            new SphereQuantizer(Codebook.LloydMax(dimension, spec.Integer("bits") + extraBits), CommonSettings.ScaleOf(spec)));

        public static long Steps(CodecSpec spec, int dimension, int extraBits) =>
            HadamardRotation.Steps(dimension) + Codebook.Steps(dimension, spec.Integer("bits") + extraBits, uniform: false);
    }
}
