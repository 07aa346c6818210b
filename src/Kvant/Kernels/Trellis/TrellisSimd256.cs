using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary><see cref="ITrellisSimd{TVector}"/> over 256-bit registers: AVX2.</summary>
internal readonly unsafe struct TrellisSimd256 : ITrellisSimd<Vector256<ushort>>
{
    public static int Lanes => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Broadcast(int value) => Vector256.Create((ushort)value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Load(ushort* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<ushort> value, ushort* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Min(Vector256<ushort> a, Vector256<ushort> b) => Avx2.Min(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Subtract(Vector256<ushort> a, Vector256<ushort> b) => Avx2.SubtractSaturate(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Choose(Vector256<ushort> a, Vector256<ushort> b, Vector256<ushort> choice, Vector256<ushort> otherwise) =>
        Vector256.ConditionalSelect(Vector256.Equals(a, b), choice, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Spread(ushort* groups, int register, int bits, byte* spread)
    {
        int first = register * Lanes >> bits;
        Vector256<byte> eight = Avx2.BroadcastVector128ToVector256((byte*)(groups + (first & ~7)));
        return Avx2.Shuffle(eight, Vector256.Load(spread + (32 * (first & 7)))).AsUInt16();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> AddDistance(Vector256<ushort> metrics, Vector256<ushort> number, Vector256<ushort> levels)
    {
        Vector256<short> difference = Avx2.SubtractSaturate(number.AsInt16(), levels.AsInt16());
        return Avx2.AddSaturate(metrics, Avx2.MultiplyHighRoundScale(difference, difference).AsUInt16());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Smallest(Vector256<ushort> value) => TrellisSimd128.Smallest(Vector128.Min(value.GetLower(), value.GetUpper()));
}
