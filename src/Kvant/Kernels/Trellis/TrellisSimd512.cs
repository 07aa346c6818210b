using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary><see cref="ITrellisSimd{TVector}"/> over 512-bit registers: AVX-512BW.</summary>
internal readonly unsafe struct TrellisSimd512 : ITrellisSimd<Vector512<ushort>>
{
    public static int Lanes => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ushort> Broadcast(int value) => Vector512.Create((ushort)value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ushort> Load(ushort* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<ushort> value, ushort* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ushort> Min(Vector512<ushort> a, Vector512<ushort> b) => Avx512BW.Min(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ushort> Subtract(Vector512<ushort> a, Vector512<ushort> b) => Avx512BW.SubtractSaturate(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ushort> Choose(Vector512<ushort> a, Vector512<ushort> b, Vector512<ushort> choice, Vector512<ushort> otherwise) =>
        Vector512.ConditionalSelect(Vector512.Equals(a, b), choice, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ushort> Spread(ushort* groups, int register, int bits, byte* spread) =>
        Avx512BW.PermuteVar32x16(Vector512.Load(groups + ((register * Lanes >> bits) & ~31)), Vector512.Load((ushort*)spread + (register * Lanes)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ushort> AddDistance(Vector512<ushort> metrics, Vector512<ushort> number, Vector512<ushort> levels)
    {
        Vector512<short> difference = Avx512BW.SubtractSaturate(number.AsInt16(), levels.AsInt16());
        return Avx512BW.AddSaturate(metrics, Avx512BW.MultiplyHighRoundScale(difference, difference).AsUInt16());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Smallest(Vector512<ushort> value) => TrellisSimd256.Smallest(Vector256.Min(value.GetLower(), value.GetUpper()));
}
