using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary><see cref="ITileSimd{TVector}"/> over 256-bit registers: AVX2.</summary>
internal readonly unsafe struct TileSimd256 : ITileSimd<Vector256<byte>>
{
    public static int Bytes => 32;

    public static Vector256<byte> Zero => Vector256<byte>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load(byte* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<byte> value, byte* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Broadcast(int* source) => Vector256.Create(*source).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> BroadcastByte(byte value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> ShiftRight(Vector256<byte> value, int count) => (value.AsInt32() >>> count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> ShiftLeft(Vector256<byte> value, int count) => (value.AsInt32() << count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Or(Vector256<byte> a, Vector256<byte> b) => a | b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> And(Vector256<byte> a, Vector256<byte> b) => a & b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Xor(Vector256<byte> a, Vector256<byte> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> LanesUp(Vector256<byte> value, Vector256<byte> before) => Avx2.AlignRight(value, Avx2.Permute2x128(before, value, 0x21), 12);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Select(Vector256<byte> mask, Vector256<byte> a, Vector256<byte> b) => Vector256.ConditionalSelect(mask, a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Index(Vector256<byte> value) => value & Vector256.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Entry(Vector256<byte> table, Vector256<byte> index) => Avx2.Shuffle(table, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> LookUp(Vector256<byte> table, Vector256<byte> index) => Entry(table, Index(index));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> LookUpSecond(Vector256<byte> table, Vector256<byte> second, Vector256<byte> index, int bits) =>
        bits == 2 ? LookUp(second, index) : LookUp(table, ShiftRight(index, bits));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> MultiplyAdd(Vector256<byte> a, Vector256<byte> b) => Avx2.MultiplyAddAdjacent(a, b.AsSByte()).AsByte();

    public static bool AddsProducts => false;

    public static Vector256<byte> AddProducts(Vector256<byte> sums, int* words, Vector256<byte> a, Vector256<byte> b, Vector256<byte> c, Vector256<byte> d) => throw new UnreachableException();

    public static Vector256<byte> AddUnsignedProducts(Vector256<byte> sums, int* words, Vector256<byte> a, Vector256<byte> b, Vector256<byte> c, Vector256<byte> d) => throw new UnreachableException();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> AddBytes(Vector256<byte> a, Vector256<byte> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> AddShorts(Vector256<byte> a, Vector256<byte> b) => (a.AsInt16() + b.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> SumPairs(Vector256<byte> shorts) => Avx2.MultiplyAddAdjacent(shorts.AsInt16(), Vector256<short>.One).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> AddInts(Vector256<byte> a, Vector256<byte> b) => (a.AsInt32() + b.AsInt32()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreScaled(Vector256<byte> ints, int offset, float factor, ushort* scales, float* destination, bool add)
    {
        Vector256<float> scale = Simd256.Halves((byte*)scales) * Vector256.Create(factor);
        Vector256<float> result = Avx.ConvertToVector256Single(ints.AsInt32() + Vector256.Create(offset)) * scale;
        (add ? Vector256.Load(destination) + result : result).Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> AddScaled(Vector256<byte> floats, Vector256<byte> ints, float factor) =>
        Vector256.MultiplyAddEstimate(Avx.ConvertToVector256Single(ints.AsInt32()), Vector256.Create(factor), floats.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddFloats(Vector256<byte> floats, float* destination) => (Vector256.Load(destination) + floats.AsSingle()).Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> LoadHalves(ushort* source) => Simd256.Halves((byte*)source).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Scaled(float* numbers, Vector256<byte> factors) => (Vector256.Load(numbers) * factors.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFloats(Vector256<byte> floats, float* destination) => floats.AsSingle().Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> AddFloats(Vector256<byte> a, Vector256<byte> b) => (a.AsSingle() + b.AsSingle()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LargestNeighbors(Vector256<byte> a, Vector256<byte> b, Vector256<byte> c, Vector256<byte> d)
    {
        Vector256<float> ab = Avx.HorizontalAdd(a.AsSingle(), b.AsSingle()), cd = Avx.HorizontalAdd(c.AsSingle(), d.AsSingle());
        Vector256<float> four = Vector256.MaxNative(Avx.Shuffle(ab, cd, 0b10_00_10_00), Avx.Shuffle(ab, cd, 0b11_01_11_01));
        return Vector128.MaxNative(four.GetLower(), four.GetUpper());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector256<byte> a, Vector256<byte> b, Vector256<byte> c, Vector256<byte> d)
    {
        Vector256<float> ab = Avx.HorizontalAdd(a.AsSingle(), b.AsSingle()), cd = Avx.HorizontalAdd(c.AsSingle(), d.AsSingle());
        Vector256<float> four = Avx.HorizontalAdd(ab, cd);
        return four.GetLower() + four.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> StoreBytes(float* floats, float factor, Vector256<byte> carry, byte* destination)
    {
        Vector256<float> sum = (Vector256.Load(floats) * Vector256.Create(factor)) + carry.AsSingle();
        Vector256<int> whole = Vector256.ConvertToInt32Native(sum);
        Vector128<short> shorts = Vector128.Narrow(whole.GetLower(), whole.GetUpper());
        *(long*)destination = Vector128.Narrow(shorts, shorts).AsInt64()[0];
        return (sum - Vector256.Floor(sum)).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> AddScaledFloats(Vector256<byte> floats, Vector256<byte> more, float factor) =>
        Vector256.MultiplyAddEstimate(more.AsSingle(), Vector256.Create(factor), floats.AsSingle()).AsByte();
}
