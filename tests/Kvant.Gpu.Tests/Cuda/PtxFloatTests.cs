using static Kvant.Gpu.Tests.Cuda.PtxRun;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Instructions on floating-point numbers give what the language says they give.</summary>
public sealed class PtxFloatTests
{
    private const ulong NaN = 0x7FFFFFFF, Least = 1;
    private static readonly float Small = MathF.ScaleB(1, -30), Next = MathF.BitIncrement(1), Last = MathF.BitDecrement(1);

    public static TheoryData<string, ulong, ulong, ulong> Pairs => new()
    {
        { "add.f32 %d, %a, %b", Bits(1f), Bits(1f), Bits(Small) },
        { "add.rn.f32 %d, %a, %b", Bits(1f), Bits(1f), Bits(Small) },
        { "add.rp.f32 %d, %a, %b", Bits(Next), Bits(1f), Bits(Small) },
        { "add.rm.f32 %d, %a, %b", Bits(1f), Bits(1f), Bits(Small) },
        { "add.rz.f32 %d, %a, %b", Bits(Last), Bits(1f), Bits(-Small) },
        { "sub.rm.f32 %d, %a, %b", Bits(Last), Bits(1f), Bits(Small) },
        { "sub.rm.f32 %d, %a, %b", Bits(-0f), Bits(1f), Bits(1f) },
        { "sub.rn.f32 %d, %a, %b", Bits(0f), Bits(1f), Bits(1f) },
        { "add.rz.f32 %d, %a, %b", Bits(float.MaxValue), Bits(float.MaxValue), Bits(float.MaxValue) },
        { "add.f32 %d, %a, %b", Bits(float.PositiveInfinity), Bits(float.MaxValue), Bits(float.MaxValue) },
        { "add.f32 %d, %a, %b", NaN, Bits(float.PositiveInfinity), Bits(float.NegativeInfinity) },
        { "add.sat.f32 %d, %a, %b", Bits(1f), Bits(1f), Bits(5f) },
        { "add.sat.f32 %d, %a, %b", Bits(0f), NaN, Bits(5f) },
        { "sub.sat.f32 %d, %a, %b", Bits(0f), Bits(1f), Bits(5f) },
        { "mul.f32 %d, %a, %b", Least, Least, Bits(1f) },
        { "mul.ftz.f32 %d, %a, %b", Bits(-0f), Least, Bits(-1f) },
        { "mul.ftz.f32 %d, %a, %b", Bits(0f), Bits(MathF.ScaleB(1, -100)), Bits(MathF.ScaleB(1, -40)) },
        { "mul.f32 %d, %a, %b", Bits(MathF.ScaleB(1, -140)), Bits(MathF.ScaleB(1, -100)), Bits(MathF.ScaleB(1, -40)) },
        { "mul.rp.f32 %d, %a, %b", Least, Bits(MathF.ScaleB(1, -100)), Bits(MathF.ScaleB(1, -100)) },
        { "div.rn.f32 %d, %a, %b", Bits(1f / 3), Bits(1f), Bits(3f) },
        { "div.rz.f32 %d, %a, %b", 0x3EAAAAAA, Bits(1f), Bits(3f) },
        { "div.rm.f32 %d, %a, %b", 0xBEAAAAAB, Bits(-1f), Bits(3f) },
        { "div.rn.f32 %d, %a, %b", Bits(float.NegativeInfinity), Bits(-1f), Bits(0f) },
        { "div.rn.f32 %d, %a, %b", NaN, Bits(0f), Bits(0f) },
        { "div.full.f32 %d, %a, %b", Bits(0.25f), Bits(1f), Bits(4f) },
        { "div.approx.f32 %d, %a, %b", Bits(0f), Bits(1f), Bits(MathF.ScaleB(1.5f, 126)) },
        { "min.f32 %d, %a, %b", Bits(2f), NaN, Bits(2f) },
        { "max.f32 %d, %a, %b", Bits(2f), Bits(2f), NaN },
        { "min.f32 %d, %a, %b", NaN, 0xFFC00001, 0x7FC00002 },
        { "max.f32 %d, %a, %b", NaN, 0xFFC00001, 0x7FC00002 },
        { "min.NaN.f32 %d, %a, %b", NaN, Bits(1f), 0xFFC00001 },
        { "max.NaN.f32 %d, %a, %b", NaN, 0xFFC00001, Bits(1f) },
        { "min.f32 %d, %a, %b", Bits(-0f), Bits(0f), Bits(-0f) },
        { "max.f32 %d, %a, %b", Bits(0f), Bits(-0f), Bits(0f) },
        { "max.ftz.f32 %d, %a, %b", Bits(0f), Least, Bits(-1f) },
        { "copysign.f32 %d, %a, %b", Bits(2f), Bits(1f), Bits(-2f) },
        { "set.gt.f32.f32 %d, %a, %b", Bits(1f), Bits(2f), Bits(1f) },
    };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void OfTwo(string instruction, ulong expected, ulong a, ulong b) => Assert.Equal(expected, Result(instruction, "f32 f32 f32", a, b));

    public static TheoryData<string, ulong, ulong> Ones => new()
    {
        { "abs.f32 %d, %a", Bits(0f), Bits(-0f) },
        { "neg.f32 %d, %a", Bits(-0f), Bits(0f) },
        { "sqrt.rn.f32 %d, %a", Bits(MathF.Sqrt(2)), Bits(2f) },
        { "sqrt.rp.f32 %d, %a", 0x3FB504F4, Bits(2f) },
        { "sqrt.rz.f32 %d, %a", 0x3FB504F3, Bits(2f) },
        { "sqrt.rn.f32 %d, %a", NaN, Bits(-2f) },
        { "sqrt.rn.f32 %d, %a", Bits(-0f), Bits(-0f) },
        { "rcp.rn.f32 %d, %a", Bits(1f / 3), Bits(3f) },
        { "rcp.rz.f32 %d, %a", 0x3EAAAAAA, Bits(3f) },
        { "rcp.approx.ftz.f32 %d, %a", Bits(float.PositiveInfinity), Least },
        { "rsqrt.approx.f32 %d, %a", Bits(0.5f), Bits(4f) },
        { "ex2.approx.f32 %d, %a", Bits(8f), Bits(3f) },
        { "ex2.approx.f32 %d, %a", Bits((float)Math.Sqrt(2)), Bits(0.5f) },
        { "ex2.approx.f32 %d, %a", Bits(MathF.ScaleB(1, -140)), Bits(-140f) },
        { "ex2.approx.ftz.f32 %d, %a", 0, Bits(-140f) },
        { "ex2.approx.f32 %d, %a", 0, Bits(float.NegativeInfinity) },
        { "lg2.approx.f32 %d, %a", Bits(3f), Bits(8f) },
        { "lg2.approx.f32 %d, %a", Bits(float.NegativeInfinity), Bits(0f) },
        { "tanh.approx.f32 %d, %a", Bits(1f), Bits(50f) },
    };

    [Theory]
    [MemberData(nameof(Ones))]
    public void OfOne(string instruction, ulong expected, ulong a) => Assert.Equal(expected, Result(instruction, "f32 f32", a));

    [Theory]
    [InlineData("eq", false, false, true, false)]
    [InlineData("ne", true, true, false, false)]
    [InlineData("lt", true, false, false, false)]
    [InlineData("le", true, false, true, false)]
    [InlineData("gt", false, true, false, false)]
    [InlineData("ge", false, true, true, false)]
    [InlineData("equ", false, false, true, true)]
    [InlineData("neu", true, true, false, true)]
    [InlineData("ltu", true, false, false, true)]
    [InlineData("leu", true, false, true, true)]
    [InlineData("gtu", false, true, false, true)]
    [InlineData("geu", false, true, true, true)]
    [InlineData("num", true, true, true, false)]
    [InlineData("nan", false, false, false, true)]
    public void Comparisons(string name, bool less, bool greater, bool equal, bool unordered)
    {
        bool Holds(ulong a, ulong b) => Result($"setp.{name}.f32 %d, %a, %b", "pred f32 f32", a, b) != 0;
        Assert.Equal((less, greater, equal, equal), (Holds(Bits(-1f), Bits(1f)), Holds(Bits(1f), Bits(-1f)), Holds(Bits(1f), Bits(1f)), Holds(Bits(0f), Bits(-0f))));
        Assert.Equal((unordered, unordered), (Holds(NaN, Bits(1f)), Holds(Bits(1f), NaN)));
    }

    [Fact]
    public void AFusedProductIsRoundedOnce()
    {
        float a = 1 + MathF.ScaleB(1, -12), product = 1 + MathF.ScaleB(1, -11), lost = MathF.ScaleB(1, -24);
        Assert.Equal(Bits(product), Result("mul.f32 %d, %a, %b", "f32 f32 f32", Bits(a), Bits(a)));
        Assert.Equal(Bits(MathF.BitIncrement(product)), Result("mul.rp.f32 %d, %a, %b", "f32 f32 f32", Bits(a), Bits(a)));
        Assert.Equal(Bits(lost), Result("fma.rn.f32 %d, %a, %b, %c", "f32 f32 f32 f32", Bits(a), Bits(a), Bits(-product)));
        Assert.Equal(Bits(lost), Result("fma.rz.f32 %d, %a, %b, %c", "f32 f32 f32 f32", Bits(a), Bits(a), Bits(-product)));
        Assert.Equal(Bits(Next), Result("fma.rp.f32 %d, %a, %b, %c", "f32 f32 f32 f32", Bits(Small), Bits(Small), Bits(1f)));
        Assert.Equal(Bits(0f), Result("fma.rn.sat.f32 %d, %a, %b, %c", "f32 f32 f32 f32", Bits(-2f), Bits(2f), Bits(1f)));
        Assert.Equal(Bits(2f), Result("slct.f32.f32 %d, %a, %b, %c", "f32 f32 f32 f32", Bits(1f), Bits(2f), NaN));
        Assert.Equal(Bits(1f), Result("slct.f32.f32 %d, %a, %b, %c", "f32 f32 f32 f32", Bits(1f), Bits(2f), Bits(-0f)));
    }

    [Fact]
    public void DoublesAndHalves()
    {
        Assert.Equal(Bits(0.1 + 0.2), Result("add.rn.f64 %d, %a, %b", "f64 f64 f64", Bits(0.1), Bits(0.2)));
        Assert.Equal(Bits(1 / 3.0), Result("div.rn.f64 %d, %a, %b", "f64 f64 f64", Bits(1.0), Bits(3.0)));
        Assert.Equal(Bits(Math.FusedMultiplyAdd(0.1, 0.2, 0.3)), Result("fma.rn.f64 %d, %a, %b, %c", "f64 f64 f64 f64", Bits(0.1), Bits(0.2), Bits(0.3)));
        // 2048 + 1 lies between two halves, and the even one is 2048.
        Assert.Equal(Bits((Half)2048), Result("add.f16 %d, %a, %b", "b16 b16 b16", Bits((Half)2048), Bits((Half)1)));
        Assert.Equal(Bits((Half)2052), Result("add.f16 %d, %a, %b", "b16 b16 b16", Bits((Half)2048), Bits((Half)3)));
        Assert.Equal(Bits((Half)6) << 16 | Bits((Half)(-3)), Result("mul.f16x2 %d, %a, %b", "b32 b32 b32", Bits((Half)2) << 16 | Bits((Half)1), Bits((Half)3) << 16 | Bits((Half)(-3))));
        Assert.Equal(Bits((Half)7) << 16 | Bits((Half)(-2)), Result("fma.rn.f16x2 %d, %a, %b, %c", "b32 b32 b32 b32",
            Bits((Half)2) << 16 | Bits((Half)1), Bits((Half)3) << 16 | Bits((Half)(-3)), Bits((Half)1) << 16 | Bits((Half)1)));
        Assert.Equal(1ul, Result("setp.gt.f16 %d, %a, %b", "pred b16 b16", Bits((Half)2), Bits((Half)1)));
        // The product's last bit is lost where it is rounded by itself.
        Half a = (Half)(1 + MathF.ScaleB(1, -10)), product = (Half)(1 + MathF.ScaleB(1, -9));
        Assert.Equal(Bits((Half)MathF.ScaleB(1, -20)), Result("fma.rn.f16 %d, %a, %b, %c", "b16 b16 b16 b16", Bits(a), Bits(a), Bits(-product)));
    }
}
