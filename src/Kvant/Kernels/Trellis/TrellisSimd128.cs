using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary><see cref="ITrellisSimd{TVector}"/> over 128-bit registers, portable.</summary>
internal readonly unsafe struct TrellisSimd128 : ITrellisSimd<Vector128<ushort>>
{
    public static int Lanes => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> Broadcast(int value) => Vector128.Create((ushort)value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> Load(ushort* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<ushort> value, ushort* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> Min(Vector128<ushort> a, Vector128<ushort> b) => Vector128.Min(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> Subtract(Vector128<ushort> a, Vector128<ushort> b) => Vector128.SubtractSaturate(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> Choose(Vector128<ushort> a, Vector128<ushort> b, Vector128<ushort> choice, Vector128<ushort> otherwise) =>
        Vector128.ConditionalSelect(Vector128.Equals(a, b), choice, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> Spread(ushort* groups, int register, int bits, byte* spread)
    {
        int first = register * Lanes >> bits;
        return Vector128.ShuffleNative(Vector128.Load((byte*)(groups + (first & ~7))), Vector128.Load(spread + (32 * (first & 7)))).AsUInt16();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> AddDistance(Vector128<ushort> metrics, Vector128<ushort> number, Vector128<ushort> levels)
    {
        Vector128<short> difference = Vector128.SubtractSaturate(number.AsInt16(), levels.AsInt16());
        return Vector128.AddSaturate(
            metrics,
            Ssse3.IsSupported ? Ssse3.MultiplyHighRoundScale(difference, difference).AsUInt16()
            : AdvSimd.IsSupported ? SquareArm(difference)
            : SquarePortable(difference));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Smallest(Vector128<ushort> value)
    {
        if (Sse41.IsSupported)
            return Sse41.MinHorizontal(value)[0];
        if (AdvSimd.Arm64.IsSupported)
            return AdvSimd.Arm64.MinAcross(value).ToScalar();
        Vector128<ushort> least = Vector128.Min(value, Vector128.Shuffle(value, Vector128.Create((ushort)4, 5, 6, 7, 0, 1, 2, 3)));
        least = Vector128.Min(least, Vector128.Shuffle(least, Vector128.Create((ushort)2, 3, 0, 1, 6, 7, 4, 5)));
        return Math.Min(least[0], least[1]);
    }

    // The one square that has no room in 15 bits stops one short of itself; taking its lanes, all ones, away adds that one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> SquareArm(Vector128<short> value) =>
        (AdvSimd.MultiplyRoundedDoublingSaturateHigh(value, value) - Vector128.Equals(value, Vector128.Create(short.MinValue))).AsUInt16();

    /// <summary>The rounded high half of squares where the processor has no instruction for it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<ushort> SquarePortable(Vector128<short> value)
    {
        (Vector128<int> low, Vector128<int> high) = Vector128.Widen(value);
        Vector128<uint> half = Vector128.Create(1u << 14);
        return Vector128.Narrow(((low * low).AsUInt32() + half) >>> 15, ((high * high).AsUInt32() + half) >>> 15);
    }
}
