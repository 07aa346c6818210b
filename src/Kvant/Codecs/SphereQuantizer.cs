using Kvant.Codebooks;
using Kvant.Kernels;

namespace Kvant.Codecs;

/// <summary>
/// Codes the numbers of rotated rows (or of groups, which are rows of their own here) against a codebook for unit vectors of its dimension, and finds
/// the scale that is stored beside the codes. The part that TurboQuant, its inner-product variant, PolarQuant and the outlier split share.
/// </summary>
internal sealed class SphereQuantizer(Codebook codebook, ScaleRule rule, int search = 0)
{
    // Candidates of the search lie evenly between these multiples of the norm's scale.
    private const float SearchFrom = 0.75f;
    private const float SearchTo = 1.25f;

    // Scales below this are zero in fp16 by far; their inverse need not exist.
    private const float Nothing = 1e-30f;

    /// <summary>Numbers in a row.</summary>
    public int Dimension => codebook.Dimension;

    /// <summary>Finds codes and scales.</summary>
    /// <param name="rows">Rotated rows one after the other.</param>
    /// <param name="codes">Receives a code per number.</param>
    /// <param name="scales">Receives the scale of each row, not rounded; 0 for a row of zeros.</param>
    /// <param name="levels">Receives the decoded numbers for a scale of 1; empty if they are not wanted.</param>
    public void Encode(ReadOnlySpan<float> rows, Span<byte> codes, Span<float> scales, Span<float> levels)
    {
        Span<float> squares = stackalloc float[scales.Length], scratch = stackalloc float[Dimension];
        for (int r = 0; r < scales.Length; r++)
        {
            ReadOnlySpan<float> row = rows.Slice(r * Dimension, Dimension);
            squares[r] = Reductions.Dot(row, row);
        }

        bool wantProduct = rule is ScaleRule.LeastSquares or ScaleRule.Unbiased;
        for (int r = 0; r < scales.Length; r++)
        {
            ReadOnlySpan<float> row = rows.Slice(r * Dimension, Dimension);
            Span<byte> rowCodes = codes.Slice(r * Dimension, Dimension);
            Span<float> nearest = levels.IsEmpty ? scratch : levels.Slice(r * Dimension, Dimension);
            float square = squares[r], unit = MathF.Sqrt(square / Dimension);
            float coded = rule == ScaleRule.Max ? Largest(row) / codebook.Levels[^1]
                : search == 0 || unit < Nothing ? unit
                : unit * Search(row, unit, rowCodes, nearest);
            if (coded < Nothing)
            {
                NearestLevel.Find(row, 0, codebook.Levels, codebook.Thresholds, rowCodes, nearest);
                scales[r] = 0;
                continue;
            }

            (float product, float levelSquare) = NearestLevel.Find(
                row, 1 / coded, codebook.Levels, codebook.Thresholds, rowCodes, wantProduct || !levels.IsEmpty ? nearest : []);
            scales[r] = rule switch
            {
                ScaleRule.Corrected => MathF.Sqrt(square / levelSquare),
                ScaleRule.LeastSquares => coded * product / levelSquare,
                ScaleRule.Unbiased => square / (coded * product),
                _ => coded,
            };
        }
    }

    /// <summary>Turns codes back into numbers.</summary>
    /// <param name="codes">A code per number.</param>
    /// <param name="scale">The stored scale.</param>
    /// <param name="row">Receives the numbers.</param>
    public void Decode(ReadOnlySpan<byte> codes, float scale, Span<float> row)
    {
        ReadOnlySpan<float> centroids = codebook.Centroids;
        for (int i = 0; i < row.Length; i++)
            row[i] = centroids[codes[i]] * scale;
    }

    // Codes a row at several multiples of its norm's scale and returns the one whose best scale leaves the least squared error:
    // |x|^2 - (x,c)^2 / (c,c), so the largest (x,c)^2 / (c,c) wins.
    private float Search(ReadOnlySpan<float> row, float unit, Span<byte> codes, Span<float> levels)
    {
        float best = 1, bestGain = -1;
        for (int i = 0; i < search; i++)
        {
            float multiple = search == 1 ? 1 : SearchFrom + ((SearchTo - SearchFrom) * i / (search - 1));
            (float product, float square) = NearestLevel.Find(row, 1 / (unit * multiple), codebook.Levels, codebook.Thresholds, codes, levels);
            float gain = multiple * multiple * product * product / square;
            if (gain > bestGain)
                (best, bestGain) = (multiple, gain);
        }

        return best;
    }

    private static float Largest(ReadOnlySpan<float> row)
    {
        float largest = 0;
        foreach (float x in row)
            largest = MathF.Max(largest, MathF.Abs(x));
        return largest;
    }
}
