using System.Numerics.Tensors;
using Kvant.Codecs;
using Kvant.Gpu.Kernels;
using Kvant.Memory;

namespace Kvant.Gpu.Steps;

/// <summary>Takes queries into the basis of codes, and what kernels found out of it: once per query, by the codecs themselves.</summary>
internal sealed class Basis
{
    private readonly List<PreparedQueries> _prepared = []; // one per length and number of queries

    /// <summary>Writes queries of one key-value head and token as kernels read them.</summary>
    /// <param name="codec">The codec of the head's keys.</param>
    /// <param name="shape">What the kernels are built for.</param>
    /// <param name="queries">[query, key dimension].</param>
    /// <param name="asked">Receives [query, <see cref="KernelShape.QueryFloats"/>]: the query in the basis, then what a vector adds that all keys share: cosines, sines, and what does not turn.</param>
    public void Enter(Codec codec, KernelShape shape, ReadOnlySpan<float> queries, Span<float> asked)
    {
        int d = codec.Dimension, count = queries.Length / d, waves = shape.Waves, length = codec.PreparedLength;
        PreparedQueries prepared = Buffer(count, length);
        codec.Prepare(queries, prepared);
        BlockForm form = codec.Form!;
        for (int q = 0; q < count; q++)
        {
            ReadOnlySpan<float> query = prepared.Query(q);
            Span<float> to = asked.Slice(q * shape.QueryFloats, shape.QueryFloats);
            query[..d].CopyTo(to);
            if (form.IsFramed)
            {
                ReadOnlySpan<float> numbers = query[^FrameScores.Length(d)..];
                numbers[..waves].CopyTo(to[d..]);
                numbers.Slice(form.Turning?.Waves.Pairs ?? 0, waves).CopyTo(to[(d + waves)..]);
                to[^1] = numbers[^1];
            }
            else
            {
                to[^1] = form.Shared.IsEmpty ? 0 : TensorPrimitives.Dot(query[..d], form.Shared.Span);
            }
        }
    }

    /// <summary>Hands over what kernels found for the queries of one key-value head and token.</summary>
    /// <param name="codec">The codec of the head's values.</param>
    /// <param name="results">[query, sums, largest logit, sum of weights].</param>
    /// <param name="store">Gets, per query, the largest logit, the sum of weights and the sums in the caller's basis.</param>
    public static void Leave(Codec codec, ReadOnlySpan<float> results, Action<int, (float Maximum, float Sum, ReadOnlyMemory<float> Values)> store)
    {
        int d = codec.Dimension, stride = d + 2, count = results.Length / stride;
        float[] finished = new float[count * d];
        ReadOnlySpan<float> shared = codec.Form!.Shared.Span;
        using var scratch = new AlignedScratch(count * d);
        for (int q = 0; q < count; q++)
        {
            Span<float> sums = scratch.Floats.Slice(q * d, d);
            results.Slice(q * stride, d).CopyTo(sums);
            if (!shared.IsEmpty)
                TensorPrimitives.MultiplyAdd(shared, results[(q * stride) + d + 1], sums, sums);
        }

        codec.Finish(scratch.Floats, finished);
        for (int q = 0; q < count; q++)
            store(q, (results[(q * stride) + d], results[(q * stride) + d + 1], finished.AsMemory(q * d, d)));
    }

    private PreparedQueries Buffer(int count, int length)
    {
        PreparedQueries? known = _prepared.Find(p => p.Length == length && p.Capacity == count);
        if (known is null)
            _prepared.Add(known = new(count, length));
        return known;
    }
}
