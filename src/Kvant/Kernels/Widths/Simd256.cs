using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary><see cref="ISimd{TVector}"/> over 256-bit registers: AVX2.</summary>
internal readonly unsafe partial struct Simd256 : ISimd<Vector256<float>>
{
    public static int Lanes => 8;

    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadUpTo(float* source, int count)
    {
        if (Avx.IsSupported)
            return Avx.MaskLoad(source, Vector256.LessThan(Vector256<int>.Indices, Vector256.Create(count)).AsSingle());
        Vector256<float> loaded = Vector256<float>.Zero;
        for (int i = 0; i < Math.Min(count, Lanes); i++)
            loaded = loaded.WithElement(i, source[i]);
        return loaded;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> value, float* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Divide(Vector256<float> a, Vector256<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Abs(Vector256<float> a) => Vector256.Abs(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Round(Vector256<float> a) => Vector256.Round(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Truncate(Vector256<float> a) => Vector256.Truncate(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> GreaterThan(Vector256<float> a, Vector256<float> b) => Vector256.GreaterThan(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Select(Vector256<float> mask, Vector256<float> a, Vector256<float> b) =>
        Vector256.ConditionalSelect(mask, a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Count(Vector256<float> counts, Vector256<float> mask, int step) =>
        (counts.AsInt32() + (mask.AsInt32() & Vector256.Create(step))).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> CopySign(Vector256<float> a, Vector256<float> b) =>
        a | (b & Vector256.Create(-0f));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> SignedLevel(Vector256<float> a, Vector256<float> b, int @base, int flip) =>
        ((a.AsInt32() + Vector256.Create(@base)) ^ ((b.AsInt32() >> 31) & Vector256.Create(flip))).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LowBytes(Vector256<float> a) => (Vector256.ConvertToInt32Native(a) & Vector256.Create(255)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBytes(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d, byte* destination)
    {
        if (!Avx2.IsSupported)
        {
            Vector256.Narrow(Vector256.Narrow(a.AsUInt32(), b.AsUInt32()), Vector256.Narrow(c.AsUInt32(), d.AsUInt32())).Store(destination);
            return;
        }

        // The packs work on halves: the bytes come out as fours of a, b, c, d from the lower halves, then from the upper ones.
        Vector256<short> ab = Avx2.PackSignedSaturate(a.AsInt32(), b.AsInt32()), cd = Avx2.PackSignedSaturate(c.AsInt32(), d.AsInt32());
        Vector256<byte> halves = Avx2.PackUnsignedSaturate(ab, cd);
        Avx2.PermuteVar8x32(halves.AsInt32(), Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsByte().Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Lookup(Vector256<float> table, Vector256<float> indices) => Vector256.ShuffleNative(table, indices.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Butterfly(Vector256<float> value, int h) => h switch
    {
        1 => Vector256.MultiplyAddEstimate(
            value, Vector256.Create(1f, -1, 1, -1, 1, -1, 1, -1), Vector256.Shuffle(value, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6))),
        2 => Vector256.MultiplyAddEstimate(
            value, Vector256.Create(1f, 1, -1, -1, 1, 1, -1, -1), Vector256.Shuffle(value, Vector256.Create(2, 3, 0, 1, 6, 7, 4, 5))),
        _ => Vector256.MultiplyAddEstimate(
            value, Vector256.Create(1f, 1, 1, 1, -1, -1, -1, -1), SwapHalves(value)),
    };

    // The general shuffle costs twice as much here as the instruction made for it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> SwapHalves(Vector256<float> value) =>
        Avx.IsSupported ? Avx.Permute2x128(value, value, 1) : Vector256.Create(value.GetUpper(), value.GetLower());
}
