using Kvant.Codecs;

namespace Kvant.Tests.Laws;

/// <summary>Nothing is read or written beyond a span, and nothing is allocated per step.</summary>
public sealed class MemoryLaws
{
    private const int Queries = 2;
    private const int Blocks = 3;

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void NothingIsTouchedBeyondASpan(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec))
        {
            int rows = Blocks * codec.RowsPerBlock;
            using var source = GuardedMemory.Copy<float>(TestRows.Gaussian(rows, codec.Dimension, seed: 3));
            using var queries = GuardedMemory.Copy<float>(TestRows.Gaussian(Queries, codec.Dimension, seed: 4));
            using var weights = GuardedMemory.Copy<float>(TestRows.Gaussian(Queries, rows, seed: 5));
            using var blocks = new GuardedMemory(Blocks * codec.BytesPerBlock);
            using var decoded = new GuardedMemory(rows * codec.Dimension * sizeof(float));
            using var scores = new GuardedMemory(Queries * rows * sizeof(float));
            using var accumulators = new GuardedMemory(Queries * codec.Dimension * sizeof(float));
            using var outputs = new GuardedMemory(Queries * codec.Dimension * sizeof(float));
            accumulators.Bytes.Clear();

            PreparedQueries prepared = codec.CreatePreparedQueries(Queries);
            codec.Encode(source.Floats, blocks.Bytes);
            codec.Decode(blocks.Bytes, decoded.Floats);
            codec.Prepare(queries.Floats, prepared);
            codec.Score(prepared, blocks.Bytes, scores.Floats);
            codec.Accumulate(weights.Floats, blocks.Bytes, accumulators.Floats);
            codec.Finish(accumulators.Floats, outputs.Floats);
            foreach (GuardedMemory memory in (GuardedMemory[])[source, queries, weights, blocks, decoded, scores, accumulators, outputs])
                memory.AssertIntact(name);
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void NothingIsAllocatedPerStep(string spec)
    {
        foreach ((Codec codec, string name) in CodecCases.All(spec).Where(c => c.Codec.Dimension is 80 or 128))
        {
            int rows = Blocks * codec.RowsPerBlock;
            float[] source = TestRows.Gaussian(rows, codec.Dimension, seed: 3), queries = TestRows.Gaussian(Queries, codec.Dimension, seed: 4);
            float[] weights = TestRows.Gaussian(Queries, rows, seed: 5), decoded = new float[source.Length], scores = new float[weights.Length];
            float[] accumulators = new float[queries.Length], outputs = new float[queries.Length];
            var blocks = new byte[Blocks * codec.BytesPerBlock];
            PreparedQueries prepared = codec.CreatePreparedQueries(Queries);

            // The least of several tries: the runtime itself allocates now and then (tiering, a trimmed pool), a codec that allocates always does.
            Assert.Equal([("Encode", 0L), ("Decode", 0L), ("Prepare", 0L), ("Score", 0L), ("Accumulate", 0L), ("Finish", 0L)],
            [
                ("Encode", Allocated(() => codec.Encode(source, blocks))),
                ("Decode", Allocated(() => codec.Decode(blocks, decoded))),
                ("Prepare", Allocated(() => codec.Prepare(queries, prepared))),
                ("Score", Allocated(() => codec.Score(prepared, blocks, scores))),
                ("Accumulate", Allocated(() => codec.Accumulate(weights, blocks, accumulators))),
                ("Finish", Allocated(() => codec.Finish(accumulators, outputs))),
            ], (e, f) => e == f ? true : throw new Xunit.Sdk.XunitException($"{name}: {f.Item1} allocates {f.Item2} bytes."));
        }
    }

    private static long Allocated(Action step)
    {
        long least = long.MaxValue;
        for (int i = 0; i < 4 && least > 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
