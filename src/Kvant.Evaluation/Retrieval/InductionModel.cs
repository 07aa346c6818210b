using Kvant.Evaluation.Sources;
using Kvant.Models.Gguf;

namespace Kvant.Evaluation.Retrieval;

/// <summary>
/// A llama model of two layers whose weights are written down instead of trained: an induction head (Olsson et al., 2022). Layer one
/// attends to the previous token and notes its code; layer two looks for the place whose previous token is the current one, and says
/// the token that stands there. Asked for a token that it has read once, it answers with the one behind it, at any length.
/// </summary>
/// <remarks>
/// <para>A state is three codes in a row: the token's own, that of the token before it, the answer. A code is a random unit vector of
/// the head's dimension. Both layers have one head; the feed-forward parts are zero.</para>
/// <para>A query of layer two reads <see cref="MatchedChannels"/> channels of the keys, which positions do not turn. The rest of a key is
/// there to be stored, as in a trained model, where one query asks for a part of what a key says.</para>
/// </remarks>
internal static class InductionModel
{
    /// <summary>
    /// How many channels of a key the match reads. Random directions in so few dimensions crowd: of 4,096 others the nearest has about the
    /// cosine 0.8 where the right one has 1. Codes whose error has the share n of a key's energy add noise of root(2 n / 14) to the difference
    /// of two cosines: 0.13 at 2 bits, so that about every sixth question fails there, 0.037 at 4 bits, so that one in 6,000 does. The
    /// head's dimension cancels.
    /// </summary>
    public const int MatchedChannels = 14;

    /// <summary>Pairs of channels that positions turn; only layer one asks for them.</summary>
    internal const int TurningPairs = 8;

    // Both softmaxes in effect choose the largest score: at 65,536 tokens the runner-up is 0.13 behind in layer one and hardly ever less
    // than 0.05 in layer two, which leaves it e^-52 and e^-20.
    private const float Sharpness = 400;

    // So slow that the channel does not turn at any position.
    private const float Still = 1e20f;

    /// <summary>Writes the model's file.</summary>
    /// <param name="path">A GGUF file.</param>
    /// <param name="headDimension">Numbers in a query, key or value: even, 32 or more.</param>
    /// <param name="vocabulary">How many tokens there are, at least 2.</param>
    /// <param name="seed">Names the codes of the tokens.</param>
    /// <exception cref="ArgumentException">The dimension is odd.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The dimension or the vocabulary is too small.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, int headDimension, int vocabulary, ulong seed) => Compose(headDimension, vocabulary, seed).Save(path);

    /// <summary>The content of the file, to which more metadata may be added.</summary>
    internal static GgufWriter Compose(int headDimension, int vocabulary, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(headDimension, (2 * TurningPairs) + MatchedChannels + 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, 2);
        if (headDimension % 2 != 0)
            throw new ArgumentException($"The dimension is {headDimension}; an even number is wanted.", nameof(headDimension));
        int d = headDimension, width = 3 * d;
        GgufWriter writer = new();
        WriteSizes(writer, d, width);
        float[] codes = Codes(d, vocabulary, seed);
        // What is read is the first part of a state, what is said its last.
        writer.AddTensor("token_embd.weight", Spread(codes, d, at: 0), width, vocabulary);
        writer.AddTensor("output.weight", Spread(codes, d, at: 2 * d), width, vocabulary);
        writer.AddTensor("output_norm.weight", Constant(width, 1), width);
        writer.AddTensor("rope_freqs.weight", RopeFactors(d), d / 2);
        WriteLayerOne(writer, d);
        WriteLayerTwo(writer, d);
        return writer;
    }

    /// <summary>The angle by which a pair of channels turns with each position: 0 to pi. Roots of primes share no period, so the pairs
    /// come together at distance 0 and nowhere near it again.</summary>
    internal static double Speed(int pair)
    {
        ReadOnlySpan<int> primes = [2, 3, 5, 7, 11, 13, 17, 19];
        double root = Math.Sqrt(primes[pair]);
        return Math.PI * (root - Math.Floor(root));
    }

    private static void WriteSizes(GgufWriter writer, int d, int width)
    {
        writer.Add("general.architecture", "llama");
        writer.Add("general.name", "induction head, written by formula");
        writer.Add("llama.block_count", 2u);
        writer.Add("llama.embedding_length", (uint)width);
        writer.Add("llama.attention.head_count", 1u);
        writer.Add("llama.attention.head_count_kv", 1u);
        writer.Add("llama.attention.key_length", (uint)d);
        writer.Add("llama.attention.value_length", (uint)d);
        writer.Add("llama.feed_forward_length", 1u);
        writer.Add("llama.context_length", 65_536u);
        writer.Add("llama.attention.layer_norm_rms_epsilon", 1e-12f);
        // With a base of 1 the factors alone say how fast each pair turns.
        writer.Add("llama.rope.freq_base", 1f);
    }

    // A query behind the key by one turns back by one position, so that the products of all pairs are largest there.
    private static void WriteLayerOne(GgufWriter writer, int d)
    {
        float[] query = new float[d], key = new float[d];
        float gain = Sharpness * MathF.Sqrt(d) / TurningPairs;
        for (int i = 0; i < TurningPairs; i++)
        {
            (double sine, double cosine) = Math.SinCos(-Speed(i));
            (query[2 * i], query[(2 * i) + 1]) = (gain * (float)cosine, gain * (float)sine);
            key[2 * i] = 1;
        }

        // The state is one code, a unit vector.
        WriteLayer(writer, 0, d, norm: 1, query: new float[3 * d * d], key: new float[3 * d * d], value: Select(d, 0), output: Place(d, d));
        writer.AddTensor("blk.0.attn_q.bias", query, d);
        writer.AddTensor("blk.0.attn_k.bias", key, d);
    }

    private static void WriteLayerTwo(GgufWriter writer, int d)
    {
        float[] query = new float[3 * d * d];
        float gain = Sharpness * MathF.Sqrt(d) * d / MatchedChannels;
        for (int i = d - MatchedChannels; i < d; i++)
            query[(i * 3 * d) + i] = gain;
        // The state is two codes by now.
        WriteLayer(writer, 1, d, norm: MathF.Sqrt(2), query, key: Select(d, d), value: Select(d, 0), output: Place(d, 2 * d));
    }

    // The norm divides by the root of the mean square; its weights undo that.
    private static void WriteLayer(GgufWriter writer, int layer, int d, float norm, float[] query, float[] key, float[] value, float[] output)
    {
        int width = 3 * d;
        string at = $"blk.{layer}.";
        writer.AddTensor(at + "attn_norm.weight", Constant(width, norm / MathF.Sqrt(width)), width);
        writer.AddTensor(at + "attn_q.weight", query, width, d);
        writer.AddTensor(at + "attn_k.weight", key, width, d);
        writer.AddTensor(at + "attn_v.weight", value, width, d);
        writer.AddTensor(at + "attn_output.weight", output, d, width);
        writer.AddTensor(at + "ffn_norm.weight", Constant(width, 1), width);
        writer.AddTensor(at + "ffn_gate.weight", new float[width], width, 1);
        writer.AddTensor(at + "ffn_up.weight", new float[width], width, 1);
        writer.AddTensor(at + "ffn_down.weight", new float[width], 1, width);
    }

    // Every channel holds the same energy on average, and the matched ones together exactly their share.
    private static float[] Codes(int d, int vocabulary, ulong seed)
    {
        int rest = d - MatchedChannels;
        float[] matched = RandomVectors.Unit(vocabulary, MatchedChannels, seed), others = RandomVectors.Unit(vocabulary, rest, seed, stream: 1);
        float matchedNorm = MathF.Sqrt((float)MatchedChannels / d), restNorm = MathF.Sqrt((float)rest / d);
        float[] codes = new float[vocabulary * d];
        for (int i = 0; i < codes.Length; i++)
        {
            (int token, int channel) = Math.DivRem(i, d);
            codes[i] = channel < rest ? restNorm * others[(token * rest) + channel] : matchedNorm * matched[(token * MatchedChannels) + channel - rest];
        }

        return codes;
    }

    private static float[] RopeFactors(int d)
    {
        float[] factors = Constant(d / 2, Still);
        for (int i = 0; i < TurningPairs; i++)
            factors[i] = (float)(1 / Speed(i));
        return factors;
    }

    // Rows of d numbers become rows of 3 d, zero but for these.
    private static float[] Spread(float[] rows, int d, int at)
    {
        float[] spread = new float[3 * rows.Length];
        for (int row = 0; row < rows.Length / d; row++)
            rows.AsSpan(row * d, d).CopyTo(spread.AsSpan((row * 3 * d) + at));
        return spread;
    }

    // The d numbers of a state from a place on.
    private static float[] Select(int d, int at) => Spread(Identity(d), d, at);

    // d numbers to a place in a state.
    private static float[] Place(int d, int at)
    {
        float[] matrix = new float[3 * d * d];
        Identity(d).CopyTo(matrix, at * d);
        return matrix;
    }

    private static float[] Identity(int d)
    {
        float[] matrix = new float[d * d];
        for (int i = 0; i < d; i++)
            matrix[(i * d) + i] = 1;
        return matrix;
    }

    private static float[] Constant(int length, float number)
    {
        float[] numbers = new float[length];
        Array.Fill(numbers, number);
        return numbers;
    }
}
