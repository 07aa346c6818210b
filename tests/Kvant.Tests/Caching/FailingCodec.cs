using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Kvant.Codecs;

namespace Kvant.Tests.Caching;

/// <summary>Halves in blocks of 16 rows, after a choice from the first 48; fails when it is told to.</summary>
internal sealed class FailingCodec(int dimension, bool chosen) : Codec(dimension, Rows, Rows * dimension * 2)
{
    public const int Rows = 16;

    [ThreadStatic]
    private static int t_callsLeft;

    [ThreadStatic]
    private static int t_calls;

    private static readonly CodecMethod s_method = new("failing", "fails when it is told to", [], (_, dimension, _) => new FailingCodec(dimension, chosen: false));

    public static CodecSpec Spec { get; } = new(s_method);

    /// <summary>Which call from now on fails, of calibrating, encoding and decoding a block; 0 for none.</summary>
    public static int CallThatFails { set => t_callsLeft = value; }

    /// <summary>Calls on this thread so far.</summary>
    public static int Calls => t_calls;

    public override int CalibrationRows => 48;

    public override int StateBytes => 1;

    public override ReadOnlySpan<byte> State => chosen ? [7] : [];

    protected override Codec CalibrateRows(ReadOnlySpan<float> rows, CalibrationContext context)
    {
        Count();
        return new FailingCodec(Dimension, chosen: true);
    }

    protected override void EncodeBlock(ReadOnlySpan<float> rows, Span<byte> block)
    {
        block.Fill(99);
        Count();
        TensorPrimitives.ConvertToHalf(rows, MemoryMarshal.Cast<byte, Half>(block));
    }

    protected override void DecodeBlock(ReadOnlySpan<byte> block, Span<float> rows)
    {
        Count();
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(block), rows);
    }

    private static void Count()
    {
        t_calls++;
        if (t_callsLeft > 0 && --t_callsLeft == 0)
            throw new NotSupportedException("told to");
    }
}
