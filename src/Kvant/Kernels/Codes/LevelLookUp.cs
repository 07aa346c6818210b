using System.Diagnostics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvant.Kernels;

/// <summary>Codes of up to four bits to their levels times a scale.</summary>
/// <remarks>The scalar loop is the definition. A register holds sixteen levels at 512 bits, or half of them at 256: one permute, or two and a choice.
/// Each number is one product, so every width gives the same bits.</remarks>
internal static unsafe class LevelLookUp
{
    /// <summary>The most levels that the kernels take.</summary>
    public const int MaxLevels = 16;

    /// <summary>numbers[i] = levels[codes[i]] * scale.</summary>
    /// <param name="codes">Codes below the number of levels.</param>
    /// <param name="levels">The levels.</param>
    /// <param name="scale">The scale.</param>
    /// <param name="numbers">Receives as many numbers as there are codes.</param>
    public static void Run(ReadOnlySpan<byte> codes, ReadOnlySpan<float> levels, float scale, Span<float> numbers)
    {
        Debug.Assert(codes.Length == numbers.Length, "One number per code.");
        int i = 0;
        if (levels.Length <= MaxLevels && TileWidth.Active >= SimdWidth.Bits256)
        {
            float* table = stackalloc float[MaxLevels];
            levels.CopyTo(new Span<float>(table, MaxLevels));
            fixed (byte* c = codes)
            fixed (float* x = numbers)
                i = TileWidth.Active == SimdWidth.Bits512 ? Wide512(c, codes.Length, table, scale, x) : Wide256(c, codes.Length, table, scale, x);
        }

        for (; i < codes.Length; i++)
            numbers[i] = levels[codes[i]] * scale;
    }

    private static int Wide512(byte* codes, int count, float* table, float scale, float* numbers)
    {
        Vector512<float> levels = Vector512.Load(table), factor = Vector512.Create(scale);
        int i = 0;
        for (; i + 16 <= count; i += 16)
            (Avx512F.PermuteVar16x32(levels, Avx512F.ConvertToVector512Int32(Vector128.Load(codes + i))) * factor).Store(numbers + i);
        return i;
    }

    private static int Wide256(byte* codes, int count, float* table, float scale, float* numbers)
    {
        Vector256<float> low = Vector256.Load(table), high = Vector256.Load(table + 8), factor = Vector256.Create(scale);
        int i = 0;
        for (; i + 8 <= count; i += 8)
        {
            Vector256<int> code = Avx2.ConvertToVector256Int32(codes + i);
            Vector256<float> upper = Vector256.GreaterThan(code, Vector256.Create(7)).AsSingle();
            (Vector256.ConditionalSelect(upper, Avx2.PermuteVar8x32(high, code), Avx2.PermuteVar8x32(low, code)) * factor).Store(numbers + i);
        }

        return i;
    }
}
