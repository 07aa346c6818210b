using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary><see cref="ITileSimd{TVector}"/> over 128-bit registers, portable: what has no name of its own on every processor is put
/// together from shifts and products.</summary>
internal readonly unsafe partial struct TileSimd128 : ITileSimd<Vector128<byte>>
{
    public static int Bytes => 16;

    public static Vector128<byte> Zero => Vector128<byte>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load(byte* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<byte> value, byte* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Broadcast(int* source) => Vector128.Create(*source).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> BroadcastByte(byte value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> ShiftRight(Vector128<byte> value, int count) => (value.AsInt32() >>> count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> ShiftLeft(Vector128<byte> value, int count) => (value.AsInt32() << count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Or(Vector128<byte> a, Vector128<byte> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> And(Vector128<byte> a, Vector128<byte> b) => a & b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Xor(Vector128<byte> a, Vector128<byte> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> LanesUp(Vector128<byte> value, Vector128<byte> before)
    {
        if (Ssse3.IsSupported)
            return Ssse3.AlignRight(value, before, 12);
        return AdvSimd.IsSupported
            ? AdvSimd.ExtractVector128(before, value, 12)
            : Vector128.Shuffle(value.AsInt32(), Vector128.Create(0, 0, 1, 2)).WithElement(0, before.AsInt32()[3]).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Select(Vector128<byte> mask, Vector128<byte> a, Vector128<byte> b) => Vector128.ConditionalSelect(mask, a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Index(Vector128<byte> value) => value & Vector128.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Entry(Vector128<byte> table, Vector128<byte> index) => Vector128.ShuffleNative(table, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> LookUp(Vector128<byte> table, Vector128<byte> index) => Entry(table, Index(index));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> LookUpSecond(Vector128<byte> table, Vector128<byte> second, Vector128<byte> index, int bits) =>
        bits == 2 ? LookUp(second, index)
        : AdvSimd.Arm64.IsSupported && bits == 4 ? Entry(table, index >>> 4)
        : LookUp(table, ShiftRight(index, bits));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> MultiplyAdd(Vector128<byte> a, Vector128<byte> b) =>
        Ssse3.IsSupported ? Ssse3.MultiplyAddAdjacent(a, b.AsSByte()).AsByte() : MultiplyAddPortable(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddBytes(Vector128<byte> a, Vector128<byte> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddShorts(Vector128<byte> a, Vector128<byte> b) => (a.AsInt16() + b.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> SumPairs(Vector128<byte> shorts) => Sse2.IsSupported
        ? Sse2.MultiplyAddAdjacent(shorts.AsInt16(), Vector128<short>.One).AsByte()
        : SumPairsPortable(shorts);

    /// <summary><see cref="MultiplyAdd"/> where the processor has no instruction for it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> MultiplyAddPortable(Vector128<byte> a, Vector128<byte> b)
    {
        Vector128<short> even = (a.AsInt16() & Vector128.Create((short)255)) * ((b.AsInt16() << 8) >> 8);
        return (even + ((a.AsInt16() >>> 8) * (b.AsInt16() >> 8))).AsByte();
    }

    /// <summary><see cref="SumPairs"/> where the processor has no instruction for it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> SumPairsPortable(Vector128<byte> shorts) =>
        (((shorts.AsInt32() << 16) >> 16) + (shorts.AsInt32() >> 16)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddInts(Vector128<byte> a, Vector128<byte> b) => (a.AsInt32() + b.AsInt32()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreScaled(Vector128<byte> ints, int offset, float factor, ushort* scales, float* destination, bool add)
    {
        Vector128<float> scale = Simd128.Halves((byte*)scales) * Vector128.Create(factor);
        Vector128<float> result = Vector128.ConvertToSingle(ints.AsInt32() + Vector128.Create(offset)) * scale;
        (add ? Vector128.Load(destination) + result : result).Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddScaled(Vector128<byte> floats, Vector128<byte> ints, float factor) =>
        Vector128.MultiplyAddEstimate(Vector128.ConvertToSingle(ints.AsInt32()), Vector128.Create(factor), floats.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddFloats(Vector128<byte> floats, float* destination) => (Vector128.Load(destination) + floats.AsSingle()).Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> LoadHalves(ushort* source) => Simd128.Halves((byte*)source).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Scaled(float* numbers, Vector128<byte> factors) => (Vector128.Load(numbers) * factors.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFloats(Vector128<byte> floats, float* destination) => floats.AsSingle().Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddFloats(Vector128<byte> a, Vector128<byte> b) => (a.AsSingle() + b.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LargestNeighbors(Vector128<byte> a, Vector128<byte> b, Vector128<byte> c, Vector128<byte> d)
    {
        if (!AdvSimd.Arm64.IsSupported)
            return Vector128.Create(Pair(a), Pair(b), Pair(c), Pair(d));
        Vector128<float> ab = AdvSimd.Arm64.AddPairwise(a.AsSingle(), b.AsSingle()), cd = AdvSimd.Arm64.AddPairwise(c.AsSingle(), d.AsSingle());
        return AdvSimd.Arm64.MaxPairwise(ab, cd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Pair(Vector128<byte> floats)
    {
        Vector128<float> sums = floats.AsSingle() + Vector128.Shuffle(floats.AsSingle(), Vector128.Create(1, 0, 3, 2));
        return Vector128.MaxNative(sums, Vector128.Shuffle(sums, Vector128.Create(2, 3, 0, 1))).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector128<byte> a, Vector128<byte> b, Vector128<byte> c, Vector128<byte> d)
    {
        if (!AdvSimd.Arm64.IsSupported)
            return Vector128.Create(Vector128.Sum(a.AsSingle()), Vector128.Sum(b.AsSingle()), Vector128.Sum(c.AsSingle()), Vector128.Sum(d.AsSingle()));
        Vector128<float> ab = AdvSimd.Arm64.AddPairwise(a.AsSingle(), b.AsSingle()), cd = AdvSimd.Arm64.AddPairwise(c.AsSingle(), d.AsSingle());
        return AdvSimd.Arm64.AddPairwise(ab, cd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> StoreBytes(float* floats, float factor, Vector128<byte> carry, byte* destination)
    {
        Vector128<float> sum = (Vector128.Load(floats) * Vector128.Create(factor)) + carry.AsSingle();
        Vector128<int> whole = Vector128.ConvertToInt32Native(sum);
        Vector128<short> shorts = Vector128.Narrow(whole, whole);
        *(int*)destination = Vector128.Narrow(shorts, shorts).AsInt32()[0];
        return (sum - Vector128.Floor(sum)).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> AddScaledFloats(Vector128<byte> floats, Vector128<byte> more, float factor) =>
        Vector128.MultiplyAddEstimate(more.AsSingle(), Vector128.Create(factor), floats.AsSingle()).AsByte();
}
