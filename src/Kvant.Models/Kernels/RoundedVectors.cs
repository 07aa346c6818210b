using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Kvant.Models.Kernels;

/// <summary>Vectors whose numbers are rounded to integers of 16 bits, with a scale for each run of 32: what meets the codes of weights.</summary>
/// <remarks>A run's largest magnitude becomes 32,767, so that a number errs by at most 1/65,534 of it. Every width gives the same integers and
/// scales. Where a number is no finite one, neither is the run's scale, and what comes of it is no number either.</remarks>
internal sealed class RoundedVectors
{
    /// <summary>Numbers that share a scale.</summary>
    internal const int Run = 32;

    private const float Largest = 32767;

    // Below this the reciprocal of a scale would not be finite.
    private const float Smallest = 1e-30f;

    /// <summary>The integers: vectors x columns.</summary>
    internal short[] Numbers { get; private set; } = [];

    /// <summary>Vectors x runs.</summary>
    internal float[] Scales { get; private set; } = [];

    /// <summary>The sum of each run's integers times its scale: what a shift of weights is multiplied by.</summary>
    internal float[] Sums { get; private set; } = [];

    /// <summary>The sum of the integers of each half of a run: what an offset of codes is multiplied by.</summary>
    internal int[] HalfSums { get; private set; } = [];

    internal int Columns { get; private set; }

    internal int Count { get; private set; }

    internal int Runs => Columns / Run;

    /// <summary>Rounds vectors; what was rounded before is forgotten. Allocates only if there never were so many numbers.</summary>
    /// <param name="vectors">Count x columns.</param>
    /// <param name="columns">A multiple of 32.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Round(ReadOnlySpan<float> vectors, int columns)
    {
        (Columns, Count) = (columns, vectors.Length / columns);
        if (Numbers.Length < vectors.Length)
            (Numbers, Scales, Sums, HalfSums) = (new short[vectors.Length], new float[vectors.Length / Run], new float[vectors.Length / Run], new int[vectors.Length / Run * 2]);
        ref float from = ref MemoryMarshal.GetReference(vectors);
        ref short to = ref MemoryMarshal.GetArrayDataReference(Numbers);
        for (int run = 0; run < vectors.Length / Run; run++)
        {
            nuint at = (nuint)(run * Run);
            Vector256<float> a = Vector256.LoadUnsafe(ref from, at), b = Vector256.LoadUnsafe(ref from, at + 8), c = Vector256.LoadUnsafe(ref from, at + 16), d = Vector256.LoadUnsafe(ref from, at + 24);
            Vector256<float> eight = Vector256.Max(Vector256.Max(Vector256.Abs(a), Vector256.Abs(b)), Vector256.Max(Vector256.Abs(c), Vector256.Abs(d)));
            Vector128<float> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
            four = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
            float largest = MathF.Max(four[0], four[1]);
            Vector256<float> factor = Vector256.Create(largest < Smallest ? 0 : Largest / largest);
            Vector256<int> i = Whole(a * factor), j = Whole(b * factor), k = Whole(c * factor), l = Whole(d * factor);
            Vector256.Narrow(i, j).StoreUnsafe(ref to, at);
            Vector256.Narrow(k, l).StoreUnsafe(ref to, at + 16);
            Scales[run] = largest / Largest;
            int first = Vector256.Sum(i + j), last = Vector256.Sum(k + l);
            (HalfSums[2 * run], HalfSums[(2 * run) + 1]) = (first, last);
            Sums[run] = (first + last) * Scales[run];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Whole(Vector256<float> numbers) => Vector256.ConvertToInt32Native(Vector256.Round(numbers));
}
