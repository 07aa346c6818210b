using System.Numerics.Tensors;

namespace Kvant.Models.Generation;

/// <summary>
/// Finds the fewest most likely tokens whose probabilities add up to a share, the most likely first and of equal ones the earlier: what sorting the
/// whole vocabulary gives. Here a histogram of the logits says how far down the share reaches, and only tokens above that are sorted.
/// Nothing is allocated after construction.
/// </summary>
internal sealed class Nucleus
{
    // Sixteenths of a nat: with all buckets 64 nats, below which a token has less than 1e-27 of the largest.
    private const float BucketsPerNat = 16;
    private const int LastBucket = 1023;

    // The histogram adds in another order than the sorted tokens; of so much more they cannot fall short.
    private const double Slack = 1e-9;

    private readonly double[] _weights;
    private readonly ulong[] _ordered;
    private readonly double[] _mass = new double[LastBucket + 1];

    internal Nucleus(int vocabularySize)
    {
        _weights = new double[vocabularySize];
        _ordered = new ulong[vocabularySize];
    }

    /// <summary>Fills in the tokens and returns how many they are.</summary>
    /// <param name="logits">Those of the vocabulary, none of them NaN.</param>
    /// <param name="largest">The largest of them, finite.</param>
    /// <param name="share">Above 0, below 1.</param>
    /// <param name="tokens">Room for all.</param>
    internal int Find(ReadOnlySpan<float> logits, float largest, double share, Span<int> tokens)
    {
        double wanted = share * Weigh(logits, largest);
        int bucket = 0;
        for (double sum = _mass[0]; bucket < LastBucket && sum < wanted * (1 + Slack);) sum += _mass[++bucket];
        int count = Collect(logits, largest, bucket);
        _ordered.AsSpan(0, count).Sort();
        double left = wanted;
        for (int i = 0; i < count; i++)
        {
            int token = (int)(uint)_ordered[i];
            tokens[i] = token;
            left -= _weights[token];
            if (left <= 0) return i + 1;
        }
        return count;
    }

    private double Weigh(ReadOnlySpan<float> logits, float largest)
    {
        TensorPrimitives.ConvertTruncating(logits, _weights);
        TensorPrimitives.Subtract(_weights, largest, _weights);
        TensorPrimitives.Exp(_weights, _weights);
        Array.Clear(_mass);
        for (int token = 0; token < logits.Length; token++) _mass[Bucket(logits[token], largest)] += _weights[token];
        return TensorPrimitives.Sum<double>(_weights);
    }

    private int Collect(ReadOnlySpan<float> logits, float largest, int lastBucket)
    {
        int count = 0;
        for (int token = 0; token < logits.Length; token++)
        {
            if (Bucket(logits[token], largest) <= lastBucket) _ordered[count++] = (Descending(logits[token]) << 32) | (uint)token;
        }
        return count;
    }

    private static int Bucket(float logit, float largest) => (int)MathF.Min((largest - logit) * BucketsPerNat, LastBucket);

    // Numbers in the order of falling logits. Both zeros are the same logit.
    private static ulong Descending(float logit)
    {
        uint bits = BitConverter.SingleToUInt32Bits(logit + 0f);
        return (bits & 0x8000_0000) != 0 ? bits : ~bits & 0x7fff_ffff;
    }
}
