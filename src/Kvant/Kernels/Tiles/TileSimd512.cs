using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary><see cref="ITileSimd{TVector}"/> over 512-bit registers: AVX-512BW, with the byte permutes of VBMI where they exist.</summary>
internal readonly unsafe struct TileSimd512 : ITileSimd<Vector512<byte>>
{
    public static int Bytes => 64;

    public static Vector512<byte> Zero => Vector512<byte>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Load(byte* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<byte> value, byte* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Broadcast(int* source) => Vector512.Create(*source).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> BroadcastByte(byte value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> ShiftRight(Vector512<byte> value, int count) => (value.AsInt32() >>> count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> ShiftLeft(Vector512<byte> value, int count) => (value.AsInt32() << count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Or(Vector512<byte> a, Vector512<byte> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> And(Vector512<byte> a, Vector512<byte> b) => a & b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Xor(Vector512<byte> a, Vector512<byte> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> LanesUp(Vector512<byte> value, Vector512<byte> before) => Avx512F.AlignRight32(value.AsInt32(), before.AsInt32(), 15).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Select(Vector512<byte> mask, Vector512<byte> a, Vector512<byte> b) => Vector512.ConditionalSelect(mask, a, b);

    // The permute looks at six bits of an index, and the tables repeat with those; the shuffle wants the bits above four cleared.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Index(Vector512<byte> value) => Avx512Vbmi.IsSupported ? value : value & Vector512.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Entry(Vector512<byte> table, Vector512<byte> index) => Avx512Vbmi.IsSupported ? Avx512Vbmi.PermuteVar64x8(table, index) : Avx512BW.Shuffle(table, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> LookUp(Vector512<byte> table, Vector512<byte> index) => Entry(table, Index(index));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> LookUpSecond(Vector512<byte> table, Vector512<byte> second, Vector512<byte> index, int bits) =>
        bits == 2 || (bits == 3 && Avx512Vbmi.IsSupported) ? LookUp(second, index) : LookUp(table, ShiftRight(index, bits));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> MultiplyAdd(Vector512<byte> a, Vector512<byte> b) => Avx512BW.MultiplyAddAdjacent(a, b.AsSByte()).AsByte();

    public static bool AddsProducts => false;

    public static Vector512<byte> AddProducts(Vector512<byte> sums, int* words, Vector512<byte> a, Vector512<byte> b, Vector512<byte> c, Vector512<byte> d) => throw new UnreachableException();

    public static Vector512<byte> AddUnsignedProducts(Vector512<byte> sums, int* words, Vector512<byte> a, Vector512<byte> b, Vector512<byte> c, Vector512<byte> d) => throw new UnreachableException();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> AddBytes(Vector512<byte> a, Vector512<byte> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> AddShorts(Vector512<byte> a, Vector512<byte> b) => (a.AsInt16() + b.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> SumPairs(Vector512<byte> shorts) => Avx512BW.MultiplyAddAdjacent(shorts.AsInt16(), Vector512<short>.One).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> AddInts(Vector512<byte> a, Vector512<byte> b) => (a.AsInt32() + b.AsInt32()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreScaled(Vector512<byte> ints, int offset, float factor, ushort* scales, float* destination, bool add)
    {
        Vector512<float> scale = Simd512.Halves((byte*)scales) * Vector512.Create(factor);
        Vector512<float> result = Avx512F.ConvertToVector512Single(ints.AsInt32() + Vector512.Create(offset)) * scale;
        (add ? Vector512.Load(destination) + result : result).Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> AddScaled(Vector512<byte> floats, Vector512<byte> ints, float factor) =>
        Vector512.MultiplyAddEstimate(Avx512F.ConvertToVector512Single(ints.AsInt32()), Vector512.Create(factor), floats.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddFloats(Vector512<byte> floats, float* destination) => (Vector512.Load(destination) + floats.AsSingle()).Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> LoadHalves(ushort* source) => Simd512.Halves((byte*)source).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Scaled(float* numbers, Vector512<byte> factors) => (Vector512.Load(numbers) * factors.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFloats(Vector512<byte> floats, float* destination) => floats.AsSingle().Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> AddFloats(Vector512<byte> a, Vector512<byte> b) => (a.AsSingle() + b.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LargestNeighbors(Vector512<byte> a, Vector512<byte> b, Vector512<byte> c, Vector512<byte> d)
    {
        // [a, a, b, b] and [c, c, d, d] of every 128 bits, neighbors apart, then [a, b, c, d].
        Vector512<float> ab = Pairs(a, b), cd = Pairs(c, d);
        Vector512<float> four = Vector512.MaxNative(Avx512F.Shuffle(ab, cd, 0b10_00_10_00), Avx512F.Shuffle(ab, cd, 0b11_01_11_01));
        Vector256<float> two = Vector256.MaxNative(four.GetLower(), four.GetUpper());
        return Vector128.MaxNative(two.GetLower(), two.GetUpper());
    }

    // Sums of neighbors: two of the first and two of the second for every 128 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Pairs(Vector512<byte> a, Vector512<byte> b) =>
        Avx512F.Shuffle(a.AsSingle(), b.AsSingle(), 0b10_00_10_00) + Avx512F.Shuffle(a.AsSingle(), b.AsSingle(), 0b11_01_11_01);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector512<byte> a, Vector512<byte> b, Vector512<byte> c, Vector512<byte> d)
    {
        Vector512<float> ab = Pairs(a, b), cd = Pairs(c, d);
        Vector512<float> four = Avx512F.Shuffle(ab, cd, 0b10_00_10_00) + Avx512F.Shuffle(ab, cd, 0b11_01_11_01);
        Vector256<float> two = four.GetLower() + four.GetUpper();
        return two.GetLower() + two.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> StoreBytes(float* floats, float factor, Vector512<byte> carry, byte* destination)
    {
        Vector512<float> sum = (Vector512.Load(floats) * Vector512.Create(factor)) + carry.AsSingle();
        Avx512F.ConvertToVector128Byte(Vector512.ConvertToInt32Native(sum)).Store(destination);
        return (sum - Vector512.Floor(sum)).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> AddScaledFloats(Vector512<byte> floats, Vector512<byte> more, float factor) =>
        Vector512.MultiplyAddEstimate(more.AsSingle(), Vector512.Create(factor), floats.AsSingle()).AsByte();
}
