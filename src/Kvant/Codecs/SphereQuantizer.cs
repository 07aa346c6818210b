using Kvant.Codebooks;
using Kvant.Kernels;
using Kvant.Rotations;

namespace Kvant.Codecs;

/// <summary>
/// Codes the numbers of rotated rows (or of groups, which are rows of their own here) against a codebook for unit vectors of its dimension, and finds
/// the scale that is stored beside the codes. The part that TurboQuant, its inner-product variant, PolarQuant and the outlier split share.
/// </summary>
internal sealed class SphereQuantizer(Codebook codebook, ScaleRule rule, int search = 0) : IRowQuantizer
{
    // Candidates of the search lie evenly between these multiples of the norm's scale.
    private const float SearchFrom = 0.75f;
    private const float SearchTo = 1.25f;

    // Scales below this are zero in fp16 by far; their inverse need not exist.
    private const float Nothing = 1e-30f;

    /// <inheritdoc/>
    public int Dimension => codebook.Dimension;

    /// <inheritdoc/>
    public int Bits => codebook.Bits;

    /// <inheritdoc/>
    public ReadOnlyMemory<float> UnitLevels => codebook.Centroids.ToArray();

    /// <inheritdoc/>
    public CodingForm Coding(RotationForm rotation) =>
        new() { Rotation = rotation, Rule = rule, Search = search, Levels = codebook.Levels.ToArray(), Thresholds = codebook.Thresholds.ToArray() };

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<float> rows, Span<byte> codes, Span<float> scales) => Encode(rows, codes, scales, []);

    /// <summary>Finds codes and scales.</summary>
    /// <param name="rows">Rotated rows one after the other.</param>
    /// <param name="codes">Receives a code per number.</param>
    /// <param name="scales">Receives the scale of each row, not rounded; 0 for a row of zeros.</param>
    /// <param name="levels">Receives the decoded numbers for a scale of 1; empty if they are not wanted.</param>
    public void Encode(ReadOnlySpan<float> rows, Span<byte> codes, Span<float> scales, Span<float> levels)
    {
        int count = scales.Length;
        Span<float> squares = stackalloc float[count], coded = stackalloc float[count], factors = stackalloc float[count];
        Reductions.Squares(rows, squares);
        for (int r = 0; r < count; r++)
        {
            int start = r * Dimension;
            coded[r] = ScaleOfCodes(rows.Slice(start, Dimension), squares[r], codes.Slice(start, Dimension));
            factors[r] = coded[r] < Nothing ? 0 : 1 / coded[r];
        }

        bool wantProduct = rule is ScaleRule.LeastSquares or ScaleRule.Unbiased;
        Span<float> products = stackalloc float[count], levelSquares = stackalloc float[count];
        Span<float> nearest = levels.IsEmpty && wantProduct ? stackalloc float[rows.Length] : levels;
        NearestLevel.FindMany(rows, factors, codebook.Levels, codebook.Thresholds, codes, nearest, products, levelSquares);
        for (int r = 0; r < count; r++)
        {
            scales[r] = coded[r] < Nothing ? 0 : rule switch
            {
                ScaleRule.Corrected => MathF.Sqrt(squares[r] / levelSquares[r]),
                ScaleRule.LeastSquares => coded[r] * products[r] / levelSquares[r],
                ScaleRule.Unbiased => squares[r] / (coded[r] * products[r]),
                _ => coded[r],
            };
        }
    }

    /// <inheritdoc/>
    public void Decode(ReadOnlySpan<byte> codes, float scale, Span<float> row) => LevelLookUp.Run(codes, codebook.Centroids, scale, row);

    // The scale for which the codes of a row are chosen.
    private float ScaleOfCodes(ReadOnlySpan<float> row, float square, Span<byte> codes)
    {
        if (rule == ScaleRule.Max)
            return Largest(row) / codebook.Levels[^1];
        float unit = MathF.Sqrt(square / Dimension);
        return search == 0 || unit < Nothing ? unit : unit * Search(row, unit, codes);
    }

    // Codes a row at several multiples of its norm's scale and returns the one whose best scale leaves the least squared error:
    // |x|^2 - (x,c)^2 / (c,c), so the largest (x,c)^2 / (c,c) wins.
    private float Search(ReadOnlySpan<float> row, float unit, Span<byte> codes)
    {
        Span<float> levels = stackalloc float[Dimension];
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
