namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Instructions on whole numbers and bits give what the language says they give.</summary>
public sealed class PtxIntegerTests
{
    [Theory]
    [InlineData("add.s32 %d, %a, %b", 0x80000000, 0x7FFFFFFF, 1)]
    [InlineData("add.sat.s32 %d, %a, %b", 0x7FFFFFFF, 0x7FFFFFFF, 1)]
    [InlineData("sub.sat.s32 %d, %a, %b", 0x80000000, 0x80000000, 1)]
    [InlineData("sub.u32 %d, %a, %b", 0xFFFFFFFF, 1, 2)]
    [InlineData("mul.lo.s32 %d, %a, %b", 0xFFFFFFFE, 0xFFFFFFFF, 2)]
    [InlineData("mul.hi.s32 %d, %a, %b", 0xFFFFFFFF, 0xFFFFFFFF, 2)]
    [InlineData("mul.hi.u32 %d, %a, %b", 1, 0xFFFFFFFF, 2)]
    [InlineData("div.s32 %d, %a, %b", 0xFFFFFFFD, 0xFFFFFFF9, 2)]
    [InlineData("rem.s32 %d, %a, %b", 0xFFFFFFFF, 0xFFFFFFF9, 2)]
    [InlineData("div.u32 %d, %a, %b", 0x7FFFFFFC, 0xFFFFFFF9, 2)]
    [InlineData("div.s32 %d, %a, %b", 0x80000000, 0x80000000, 0xFFFFFFFF)]
    [InlineData("rem.s32 %d, %a, %b", 0, 0x80000000, 0xFFFFFFFF)]
    [InlineData("div.u32 %d, %a, %b", 0xFFFFFFFF, 5, 0)]
    [InlineData("div.s32 %d, %a, %b", 0xFFFFFFFF, 5, 0)]
    [InlineData("rem.u32 %d, %a, %b", 5, 5, 0)]
    [InlineData("min.s32 %d, %a, %b", 0xFFFFFFFF, 0xFFFFFFFF, 1)]
    [InlineData("min.u32 %d, %a, %b", 1, 0xFFFFFFFF, 1)]
    [InlineData("max.s32 %d, %a, %b", 1, 0xFFFFFFFF, 1)]
    [InlineData("max.u32 %d, %a, %b", 0xFFFFFFFF, 0xFFFFFFFF, 1)]
    [InlineData("shl.b32 %d, %a, %b", 0x80000000, 3, 31)]
    [InlineData("shl.b32 %d, %a, %b", 0, 3, 32)]
    [InlineData("shl.b32 %d, %a, %b", 0, 3, 0xFFFFFFFF)]
    [InlineData("shr.u32 %d, %a, %b", 0, 0x80000000, 32)]
    [InlineData("shr.b32 %d, %a, %b", 1, 0x80000000, 31)]
    [InlineData("shr.s32 %d, %a, %b", 0xFFFFFFFF, 0x80000000, 99)]
    [InlineData("shr.s32 %d, %a, %b", 0xC0000000, 0x80000000, 1)]
    [InlineData("and.b32 %d, %a, %b", 0x8, 0xC, 0xA)]
    [InlineData("or.b32 %d, %a, %b", 0xE, 0xC, 0xA)]
    [InlineData("xor.b32 %d, %a, %b", 0x6, 0xC, 0xA)]
    [InlineData("set.lt.u32.s32 %d, %a, %b", 0xFFFFFFFF, 0xFFFFFFFF, 0)]
    [InlineData("set.lo.u32.u32 %d, %a, %b", 0, 0xFFFFFFFF, 0)]
    public void OfTwo(string instruction, ulong expected, ulong a, ulong b) => Assert.Equal(expected, PtxRun.Result(instruction, "b32 b32 b32", a, b));

    [Theory]
    [InlineData("neg.s32 %d, %a", 0x80000000, 0x80000000)]
    [InlineData("abs.s32 %d, %a", 5, 0xFFFFFFFB)]
    [InlineData("not.b32 %d, %a", 0xFFFFFFFA, 5)]
    [InlineData("cnot.b32 %d, %a", 1, 0)]
    [InlineData("cnot.b32 %d, %a", 0, 0x80000000)]
    [InlineData("popc.b32 %d, %a", 32, 0xFFFFFFFF)]
    [InlineData("clz.b32 %d, %a", 32, 0)]
    [InlineData("clz.b32 %d, %a", 3, 0x10000000)]
    [InlineData("brev.b32 %d, %a", 0xA0000000, 5)]
    [InlineData("bfind.u32 %d, %a", 0xFFFFFFFF, 0)]
    [InlineData("bfind.u32 %d, %a", 4, 0x1F)]
    [InlineData("bfind.s32 %d, %a", 2, 0xFFFFFFF8)]
    [InlineData("bfind.shiftamt.u32 %d, %a", 27, 0x1F)]
    public void OfOne(string instruction, ulong expected, ulong a) => Assert.Equal(expected, PtxRun.Result(instruction, "b32 b32", a));

    [Theory]
    [InlineData("mad.lo.s32 %d, %a, %b, %c", 0xFFFFFFFF, 0xFFFFFFFF, 2, 1)]
    [InlineData("mad.hi.u32 %d, %a, %b, %c", 4, 0xFFFFFFFF, 2, 3)]
    [InlineData("sad.s32 %d, %a, %b, %c", 13, 0xFFFFFFFF, 2, 10)]
    [InlineData("bfe.u32 %d, %a, %b, %c", 0xCD, 0xABCDEF01, 16, 8)]
    [InlineData("bfe.u32 %d, %a, %b, %c", 0, 0xABCDEF01, 16, 0)]
    [InlineData("bfe.s32 %d, %a, %b, %c", 0, 0xABCDEF01, 16, 0)]
    [InlineData("bfe.s32 %d, %a, %b, %c", 0xFFFFFFCD, 0xABCDEF01, 16, 8)]
    [InlineData("bfe.s32 %d, %a, %b, %c", 0xFFFFFFFA, 0xABCDEF01, 28, 40)]
    [InlineData("bfe.s32 %d, %a, %b, %c", 0xFFFFFFFF, 0xABCDEF01, 40, 3)]
    [InlineData("bfe.u32 %d, %a, %b, %c", 0, 0xABCDEF01, 40, 3)]
    [InlineData("bfe.u32 %d, %a, %b, %c", 0xA, 0xABCDEF01, 28, 255)]
    [InlineData("prmt.b32 %d, %a, %b, %c", 0x88114477, 0x44332211, 0x88776655, 0x7036)]
    [InlineData("prmt.b32 %d, %a, %b, %c", 0xFF00FF00, 0x443322F1, 0x88776655, 0xFCF9)]
    [InlineData("prmt.b32.f4e %d, %a, %b, %c", 0x55443322, 0x44332211, 0x88776655, 1)]
    [InlineData("prmt.b32.b4e %d, %a, %b, %c", 0x77881122, 0x44332211, 0x88776655, 1)]
    [InlineData("prmt.b32.rc8 %d, %a, %b, %c", 0x33333333, 0x44332211, 0, 2)]
    [InlineData("prmt.b32.ecl %d, %a, %b, %c", 0x44333333, 0x44332211, 0, 2)]
    [InlineData("prmt.b32.ecr %d, %a, %b, %c", 0x33332211, 0x44332211, 0, 2)]
    [InlineData("prmt.b32.rc16 %d, %a, %b, %c", 0x44334433, 0x44332211, 0, 1)]
    [InlineData("lop3.b32 %d, %a, %b, %c, 0x96", 0x69, 0x0F, 0x33, 0x55)]
    [InlineData("lop3.b32 %d, %a, %b, %c, 232", 0x17, 0x0F, 0x33, 0x55)]
    [InlineData("shf.l.wrap.b32 %d, %a, %b, %c", 0x0000001A, 0xABCDEF01, 1, 36)]
    [InlineData("shf.l.clamp.b32 %d, %a, %b, %c", 0xABCDEF01, 0xABCDEF01, 1, 36)]
    [InlineData("shf.r.wrap.b32 %d, %a, %b, %c", 0x1ABCDEF0, 0xABCDEF01, 1, 36)]
    [InlineData("shf.r.clamp.b32 %d, %a, %b, %c", 1, 0xABCDEF01, 1, 36)]
    [InlineData("slct.b32.s32 %d, %a, %b, %c", 1, 1, 2, 0)]
    [InlineData("slct.b32.s32 %d, %a, %b, %c", 2, 1, 2, 0x80000000)]
    [InlineData("dp4a.s32.s32 %d, %a, %b, %c", 0xFFFFFFFE, 0x01FF0203, 0x01010101, 0xFFFFFFF9)]
    [InlineData("dp4a.u32.u32 %d, %a, %b, %c", 261, 0x01FF0203, 0x01010101, 0)]
    public void OfThree(string instruction, ulong expected, ulong a, ulong b, ulong c) => Assert.Equal(expected, PtxRun.Result(instruction, "b32 b32 b32 b32", a, b, c));

    [Theory]
    [InlineData(0xFFFFFABFul, 0xABul, 0xFFFFFFFFul, 4, 8)]
    [InlineData(0xFFFFFFFFul, 0xABul, 0xFFFFFFFFul, 4, 0)]
    [InlineData(0xBFFFFFFFul, 0xABul, 0xFFFFFFFFul, 28, 8)]
    [InlineData(0xFFFFFFFFul, 0xABul, 0xFFFFFFFFul, 32, 8)]
    public void FieldsArePutIn(ulong expected, ulong a, ulong b, ulong start, ulong length) => Assert.Equal(expected, PtxRun.Result("bfi.b32 %d, %a, %b, %c, %e", "b32 b32 b32 b32 b32", a, b, start, length));

    [Theory]
    [InlineData("mul.wide.s32 %d, %a, %b", "b64 b32 b32", 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFF, 2)]
    [InlineData("mul.wide.u32 %d, %a, %b", "b64 b32 b32", 0x1FFFFFFFE, 0xFFFFFFFF, 2)]
    [InlineData("mul.wide.u16 %d, %a, %b", "b32 b16 b16", 0x1FFFE, 0xFFFF, 2)]
    [InlineData("mul.wide.s16 %d, %a, %b", "b32 b16 b16", 0xFFFFFFFE, 0xFFFF, 2)]
    [InlineData("mul.hi.u64 %d, %a, %b", "b64 b64 b64", 0xFFFFFFFFFFFFFFFE, ulong.MaxValue, ulong.MaxValue)]
    [InlineData("mul.hi.s64 %d, %a, %b", "b64 b64 b64", 0, ulong.MaxValue, ulong.MaxValue)]
    [InlineData("mul.lo.s64 %d, %a, %b", "b64 b64 b64", 1, ulong.MaxValue, ulong.MaxValue)]
    [InlineData("add.s64 %d, %a, %b", "b64 b64 b64", 1, ulong.MaxValue, 2)]
    [InlineData("sub.s16 %d, %a, %b", "b16 b16 b16", 0xFFFF, 1, 2)]
    [InlineData("shl.b64 %d, %a, %b", "b64 b64 b32", 0x8000000000000000, 1, 63)]
    [InlineData("shl.b64 %d, %a, %b", "b64 b64 b32", 0, 1, 64)]
    [InlineData("shr.s64 %d, %a, %b", "b64 b64 b32", ulong.MaxValue, 1ul << 63, 64)]
    [InlineData("shr.u64 %d, %a, %b", "b64 b64 b32", 0, 1ul << 63, 64)]
    [InlineData("shr.u16 %d, %a, %b", "b16 b16 b32", 0, 0x8000, 16)]
    [InlineData("shr.u16 %d, %a, %b", "b16 b16 b32", 1, 0x8000, 15)]
    [InlineData("shr.s16 %d, %a, %b", "b16 b16 b32", 0xFFFF, 0x8000, 16)]
    [InlineData("shl.b16 %d, %a, %b", "b16 b16 b32", 0x8000, 0xFFFF, 15)]
    [InlineData("mov.b64 %d, {%a, %b}", "b64 b32 b32", 0x9ABCDEF012345678, 0x12345678, 0x9ABCDEF0)]
    [InlineData("mov.b32 %d, {%a, %b}", "b32 b16 b16", 0xDEF05678, 0x5678, 0xDEF0)]
    [InlineData("setp.lt.s32 %d, %a, %b", "pred b32 b32", 1, 0xFFFFFFFF, 0)]
    [InlineData("setp.lt.u32 %d, %a, %b", "pred b32 b32", 0, 0xFFFFFFFF, 0)]
    [InlineData("setp.hi.u32 %d, %a, %b", "pred b32 b32", 1, 0xFFFFFFFF, 0)]
    [InlineData("setp.ge.s16 %d, %a, %b", "pred b16 b16", 0, 0xFFFF, 0)]
    [InlineData("setp.ne.b64 %d, %a, %b", "pred b64 b64", 1, 1ul << 40, 0)]
    [InlineData("and.pred %d, %a, %b", "pred pred pred", 0, 1, 0)]
    [InlineData("xor.pred %d, %a, %b", "pred pred pred", 1, 1, 0)]
    public void OfOtherSizes(string instruction, string types, ulong expected, ulong a, ulong b) => Assert.Equal(expected, PtxRun.Result(instruction, types, a, b));

    [Theory]
    [InlineData("mad.wide.s32 %d, %a, %b, %c", "b64 b32 b32 b64", 8, 0xFFFFFFFF, 2, 10)]
    [InlineData("bfe.u64 %d, %a, %b, %c", "b64 b64 b32 b32", 0xF, ulong.MaxValue, 60, 64)]
    [InlineData("bfe.s64 %d, %a, %b, %c", "b64 b64 b32 b32", ulong.MaxValue, 1ul << 63, 63, 1)]
    [InlineData("selp.b32 %d, %a, %b, %c", "b32 b32 b32 pred", 7, 7, 8, 1)]
    [InlineData("selp.b16 %d, %a, %b, %c", "b16 b16 b16 pred", 8, 7, 8, 0)]
    [InlineData("setp.lt.and.s32 %d, %a, %b, %c", "pred b32 b32 pred", 0, 1, 2, 0)]
    [InlineData("setp.lt.and.s32 %d, %a, %b, !%c", "pred b32 b32 pred", 1, 1, 2, 0)]
    [InlineData("setp.lt.or.s32 %d, %a, %b, %c", "pred b32 b32 pred", 1, 3, 2, 1)]
    [InlineData("setp.lt.xor.s32 %d, %a, %b, %c", "pred b32 b32 pred", 0, 1, 2, 1)]
    [InlineData("setp.lt.s32 %c|%d, %a, %b", "pred b32 b32 pred", 0, 1, 2, 0)]
    [InlineData("setp.lt.s32 %c|%d, %a, %b", "pred b32 b32 pred", 1, 2, 2, 0)]
    public void OfThreeInOtherSizes(string instruction, string types, ulong expected, ulong a, ulong b, ulong c) => Assert.Equal(expected, PtxRun.Result(instruction, types, a, b, c));

    [Fact]
    public void ConstantsAreReadInEveryBase()
    {
        Assert.Equal(0x1Ful, PtxRun.Result("mov.b32 %d, 0x1F", "b32"));
        Assert.Equal(0xFFFFFFF8, PtxRun.Result("mov.u32 %d, -8", "b32"));
        Assert.Equal(5ul, PtxRun.Result("mov.u32 %d, 0b101", "b32"));
        Assert.Equal(0xFF800000, PtxRun.Result("mov.f32 %d, 0fFF800000", "f32"));
        Assert.Equal(PtxRun.Bits(1.5), PtxRun.Result("mov.f64 %d, 0d3FF8000000000000", "f64"));
        Assert.Equal(1ul, PtxRun.Result("mov.pred %d, -1", "pred"));
        Assert.Equal(0xFFFFFFFFFFFFFFFF, PtxRun.Result("mov.u64 %d, -1", "b64"));
    }

    [Fact]
    public void NumbersAreUnpacked()
    {
        var outputs = new ulong[4];
        PtxRun.Body("ld.global.u64 %rd1, [%in]; mov.b64 {%h1, %h2, %h3, %h4}, %rd1; st.global.u16 [%out], %h1; st.global.u16 [%out+8], %h2; st.global.u16 [%out+16], %h3; st.global.u16 [%out+24], %h4;", [0x4444333322221111], outputs);
        Assert.Equal([0x1111ul, 0x2222, 0x3333, 0x4444], outputs);
    }
}
