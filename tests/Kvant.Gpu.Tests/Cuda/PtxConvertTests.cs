using static Kvant.Gpu.Tests.Cuda.PtxRun;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>Conversions give what the language says they give.</summary>
public sealed class PtxConvertTests
{
    public static TheoryData<string, string, ulong, ulong> Cases => new()
    {
        { "cvt.s64.s32 %d, %a", "b64 b32", 0xFFFFFFFF80000000, 0x80000000 },
        { "cvt.u64.u32 %d, %a", "b64 b32", 0x80000000, 0x80000000 },
        { "cvt.u32.u64 %d, %a", "b32 b64", 0x9ABCDEF0, 0x123456789ABCDEF0 },
        { "cvt.u16.u32 %d, %a", "b16 b32", 0xDEF0, 0x9ABCDEF0 },
        { "cvt.s16.s8 %d, %a", "b16 b16", 0xFFF0, 0x12F0 },
        { "cvt.s32.s8 %d, %a", "b32 b16", 0xFFFFFFF0, 0x12F0 },
        { "cvt.u32.u8 %d, %a", "b32 b32", 0xF0, 0x123456F0 },
        // What is put into a wider register has its sign.
        { "cvt.s8.s32 %d, %a", "b32 b32", 0xFFFFFFF0, 0x123456F0 },
        { "cvt.u8.u32 %d, %a", "b32 b32", 0xF0, 0x123456F0 },
        { "cvt.sat.u8.s32 %d, %a", "b32 b32", 0, 0xFFFFFFFF },
        { "cvt.sat.u8.s32 %d, %a", "b32 b32", 255, 300 },
        { "cvt.sat.s8.s32 %d, %a", "b32 b32", 0xFFFFFF80, 0x80000000 },
        { "cvt.sat.s32.u32 %d, %a", "b32 b32", 0x7FFFFFFF, 0xFFFFFFFF },
        { "cvt.rn.f32.s32 %d, %a", "f32 b32", Bits(-16777216f), unchecked((uint)-16777217) },
        { "cvt.rz.f32.s32 %d, %a", "f32 b32", Bits(-16777218f), unchecked((uint)-16777219) },
        { "cvt.rp.f32.u32 %d, %a", "f32 b32", Bits(16777218f), 16777217 },
        { "cvt.rn.f32.s16 %d, %a", "f32 b16", Bits(-2f), 0xFFFE },
        { "cvt.rn.f32.u16 %d, %a", "f32 b16", Bits(65534f), 0xFFFE },
        { "cvt.rn.f32.u64 %d, %a", "f32 b64", Bits(MathF.ScaleB(1, 40) + MathF.ScaleB(1, 17)), (1ul << 40) + (1ul << 16) + 1 },
        { "cvt.rn.f64.u64 %d, %a", "f64 b64", Bits(18446744073709551616.0), ulong.MaxValue },
        { "cvt.rz.f64.u64 %d, %a", "f64 b64", Bits(Math.BitDecrement(18446744073709551616.0)), ulong.MaxValue },
        { "cvt.rzi.s32.f32 %d, %a", "b32 f32", unchecked((uint)-2), Bits(-2.9f) },
        { "cvt.rmi.s32.f32 %d, %a", "b32 f32", unchecked((uint)-3), Bits(-2.1f) },
        { "cvt.rpi.s32.f32 %d, %a", "b32 f32", 3, Bits(2.1f) },
        { "cvt.rni.s32.f32 %d, %a", "b32 f32", 2, Bits(2.5f) },
        { "cvt.rzi.s32.f32 %d, %a", "b32 f32", 0x7FFFFFFF, Bits(3e9f) },
        { "cvt.rzi.s32.f32 %d, %a", "b32 f32", 0x80000000, Bits(float.NegativeInfinity) },
        { "cvt.rzi.u32.f32 %d, %a", "b32 f32", 0, Bits(-3f) },
        { "cvt.rzi.s32.f32 %d, %a", "b32 f32", 0, 0x7FC00000 },
        { "cvt.rzi.s64.f32 %d, %a", "b64 f32", 1ul << 63, 0x7FC00000 },
        { "cvt.rzi.u64.f64 %d, %a", "b64 f64", ulong.MaxValue, Bits(1e30) },
        { "cvt.rzi.s16.f32 %d, %a", "b16 f32", 0x7FFF, Bits(40000f) },
        { "cvt.rni.f32.f32 %d, %a", "f32 f32", Bits(-2f), Bits(-2.5f) },
        { "cvt.rni.f32.f32 %d, %a", "f32 f32", Bits(-0f), Bits(-0.5f) },
        { "cvt.rpi.f32.f32 %d, %a", "f32 f32", Bits(3f), Bits(2.5f) },
        { "cvt.sat.f32.f32 %d, %a", "f32 f32", Bits(1f), Bits(2.5f) },
        { "cvt.sat.f32.f32 %d, %a", "f32 f32", Bits(0f), 0x7FC00000 },
        { "cvt.ftz.f32.f32 %d, %a", "f32 f32", Bits(-0f), 0x80000001 },
        { "cvt.f32.f16 %d, %a", "f32 b16", Bits(MathF.ScaleB(1, -24)), 0x0001 },
        { "cvt.f32.f16 %d, %a", "f32 b16", Bits(65504f), 0x7BFF },
        { "cvt.f32.f16 %d, %a", "f32 b16", 0x7FFFFFFF, 0x7E00 },
        { "cvt.f32.f16 %d, %a", "f32 b16", Bits(float.NegativeInfinity), 0xFC00 },
        { "cvt.rn.f16.f32 %d, %a", "b16 f32", 0x0001, Bits(MathF.ScaleB(1, -24)) },
        { "cvt.rn.f16.f32 %d, %a", "b16 f32", 0x0000, Bits(MathF.ScaleB(1, -25)) },
        { "cvt.rn.f16.f32 %d, %a", "b16 f32", 0x0001, Bits(MathF.BitIncrement(MathF.ScaleB(1, -25))) },
        { "cvt.rz.f16.f32 %d, %a", "b16 f32", 0x0000, Bits(MathF.BitDecrement(MathF.ScaleB(1, -24))) },
        { "cvt.rn.f16.f32 %d, %a", "b16 f32", 0x7C00, Bits(65520f) },
        { "cvt.rz.f16.f32 %d, %a", "b16 f32", 0x7BFF, Bits(65520f) },
        { "cvt.rn.f16.f32 %d, %a", "b16 f32", 0x7FFF, 0xFFC00000 },
        { "cvt.rn.f32.f64 %d, %a", "f32 f64", Bits(0.1f), Bits(0.1) },
        { "cvt.rm.f32.f64 %d, %a", "f32 f64", Bits(MathF.BitDecrement(0.1f)), Bits(0.1) },
        { "cvt.f64.f32 %d, %a", "f64 f32", Bits((double)0.1f), Bits(0.1f) },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void OfOne(string instruction, string types, ulong expected, ulong a) => Assert.Equal(expected, Result(instruction, types, a));

    [Fact]
    public void APairIsPutIntoOneRegister() =>
        Assert.Equal(Bits((Half)1.5f) << 16 | Bits((Half)(-2)), Result("cvt.rn.f16x2.f32 %d, %a, %b", "b32 f32 f32", Bits(1.5f), Bits(-2f)));
}
