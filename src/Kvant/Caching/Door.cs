using Kvant.Codecs;
using Kvant.Kernels;

namespace Kvant.Caching;

/// <summary>What is checked of numbers before anything changes: that they are finite, fit the window, and can be encoded when their block leaves it.</summary>
internal static class Door
{
    /// <summary>The largest number that half precision holds.</summary>
    public const float LargestHalf = 65504;

    /// <summary>
    /// Rows of smaller numbers can always be encoded. The largest scale that a rule stores is a row's norm divided by the outermost level of
    /// its codebook, which is .8 or more: at most .8^-1 sqrt(d) times the largest number, here 40,960 of the 65,504 that fp16 holds.
    /// What is left lets rows be encoded again after their block was decoded, which may make them a little larger.
    /// </summary>
    public static float AlwaysEncodable(int dimension) => 32768 / MathF.Sqrt(dimension);

    /// <summary>Whether all numbers are finite and of no larger magnitude.</summary>
    public static bool IsAtMost(ReadOnlySpan<float> numbers, float magnitude) => Halves.AreAtMost(numbers, magnitude);

    /// <summary>Checks a batch.</summary>
    /// <param name="layout">The layer.</param>
    /// <param name="side">0 for keys, 1 for values.</param>
    /// <param name="rows">[token, head, number].</param>
    /// <param name="count">Tokens.</param>
    /// <param name="scratch">Buffers.</param>
    /// <param name="name">The argument that the message names.</param>
    /// <exception cref="ArgumentException">A number is refused.</exception>
    public static void Check(LayerLayout layout, int side, TokenRows rows, int count, CacheScratch scratch, string name)
    {
        SideLayout kind = layout.Sides[side];
        int tokenLength = layout.Heads * kind.Dimension;
        float encodable = AlwaysEncodable(kind.Dimension);
        Span<float> token = scratch.Token(tokenLength);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<float> floats = rows.Token(i, tokenLength, token);
            if (IsAtMost(floats, encodable))
                continue;
            for (int head = 0; head < layout.Heads; head++)
            {
                foreach (StepLayout step in layout.Steps)
                {
                    if (Refusal(step.Sides[side], floats.Slice(head * kind.Dimension, kind.Dimension), scratch) is { } reason)
                        throw new ArgumentException($"Token {i} of the batch, head {head}: {reason}", name);
                }
            }
        }
    }

    /// <summary>Why a row cannot be stored, or null if it can.</summary>
    public static string? Refusal(SideLayout kind, ReadOnlySpan<float> row, CacheScratch scratch)
    {
        // Before a codec has chosen from data it cannot try. Rows that share a block are bounded too: what fits alone must fit together.
        bool half = WindowRows.IsHalf(kind.WindowCodec);
        float limit = kind.Codec.CalibrationRows > 0 ? AlwaysEncodable(kind.Dimension)
            : kind.Codec.RowsPerBlock > 1 ? LargestHalf
            : float.MaxValue;
        for (int i = 0; i < row.Length; i++)
        {
            float size = MathF.Abs(row[i]);
            if (!float.IsFinite(size))
                return $"number {i} is {row[i]}; it must be finite.";
            if (half && size >= WindowRows.HalfOverflow)
                return $"number {i} is {row[i]}, which does not fit the window's fp16; the largest magnitude is 65504.";
            if (size > limit)
                return $"number {i} is {row[i]}; the codec of this layer takes magnitudes up to {limit}.";
        }

        return kind.Codec.CalibrationRows > 0 || CanEncode(kind, row, scratch, out string reason) ? null : reason;
    }

    /// <summary>Tries to encode a row, as the window would store it.</summary>
    public static bool CanEncode(SideLayout kind, ReadOnlySpan<float> row, CacheScratch scratch, out string reason)
    {
        Codec codec = kind.Codec;
        Span<float> block = scratch.Rows(codec.RowsPerBlock * codec.Dimension);
        Span<byte> bytes = scratch.Rounded(Math.Max(codec.BytesPerBlock, kind.RowBytes));
        WindowRows.Store(row, WindowRows.IsHalf(kind.WindowCodec), bytes[..kind.RowBytes]);
        for (int i = 0; i < codec.RowsPerBlock; i++)
            WindowRows.Load(bytes[..kind.RowBytes], WindowRows.IsHalf(kind.WindowCodec), block.Slice(i * codec.Dimension, codec.Dimension));
        try
        {
            codec.Encode(block, bytes[..codec.BytesPerBlock]);
            reason = "";
            return true;
        }
        catch (ArgumentException refused)
        {
            reason = refused.InnerException?.Message ?? refused.Message;
            return false;
        }
    }
}
