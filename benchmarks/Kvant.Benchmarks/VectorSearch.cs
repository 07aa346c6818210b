using System.Globalization;
using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Search;

namespace Kvant.Benchmarks;

/// <summary>One query over many vectors of 128 numbers, all ways in turn: floats by one dot product each, codes as rows by the codec's own call, and the index.</summary>
internal static class VectorSearch
{
    private const int Dimension = SampleRows.Dimension;
    private const int Top = 10;
    private const int Rounds = 51;

    private static readonly string[] s_specs = ["fp32", "q8", "turboquant:bits=4", "turboquant:bits=3", "turboquant:bits=2"];

    public static int Run(int threads)
    {
        Console.WriteLine($"{(int)SimdSupport.Active}-bit registers; one query over vectors of {Dimension} numbers, medians of {Rounds} rounds; the index with {threads} thread(s)");
        Console.WriteLine($"{"",-30}{"vectors",10}{"MB",9}{"scores, ms",12}{$"best {Top}, ms",13}{"x fp32",9}{"GB/s",8}");
        foreach (int vectors in (int[])[9_984, 79_872, 638_976])
            Compare(vectors, threads);
        return 0;
    }

    // A wrong answer is an error: scores are those of the vectors as they are stored, but for the integers of fast kernels, and the best are the largest of them.
    private static void Check(VectorIndex index, float[] query, WorkerTeam team)
    {
        float[] scores = new float[index.Count], vector = new float[Dimension];
        var best = new ScoredVector[Top];
        index.Score(query, scores, team);
        index.Search(query, best, team);
        double error = 0, size = 0;
        for (int i = 0; i < index.Count; i += 97)
        {
            index.Decode(i, vector);
            double exact = TensorPrimitives.Dot<float>(query, vector);
            error += (scores[i] - exact) * (scores[i] - exact);
            size += exact * exact;
        }

        if (!(error <= 0.02 * 0.02 * size) || !best.Select(b => b.Index).SequenceEqual(scores.Index().OrderByDescending(s => s.Item).Take(Top).Select(s => s.Index)))
            throw new InvalidOperationException($"{index.Spec}: the answers are wrong, by {Math.Sqrt(error / size):P2} of their size.");
    }

    private static void Compare(int vectors, int threads)
    {
        float[] rows = SampleRows.Create(vectors), query = SampleRows.Create(1, seed: 2), scores = new float[vectors];
        Codec codec = CodecSpec.Parse("turboquant:bits=4").CreateCodec(Dimension);
        byte[] codes = codec.Encode(rows);
        PreparedQueries prepared = codec.CreatePreparedQueries(1);
        codec.Prepare(query, prepared);
        using var team = new WorkerTeam(threads);
        VectorIndex[] indexes = [.. s_specs.Select(spec => new VectorIndex(CodecSpec.Parse(spec), Dimension))];
        Array.ForEach(indexes, index => index.Add(rows));
        var best = new ScoredVector[Top];
        Array.ForEach(indexes, index => Check(index, query, team));
        (string Name, long Bytes, Action Scores, Action? Best)[] ways =
        [
            ("floats, one dot product each", sizeof(float) * (long)rows.Length, () =>
            {
                for (int i = 0; i < scores.Length; i++)
                    scores[i] = TensorPrimitives.Dot<float>(query, rows.AsSpan(i * Dimension, Dimension));
            }, null),
            ("4 bits as rows", codes.Length, () => codec.Score(prepared, codes, scores), null),
            .. indexes.Select(index => ($"index, {index.Spec}", index.Bytes, (Action)(() => index.Score(query, scores, team)), (Action?)(() => index.Search(query, best, team)))),
        ];
        Action[] actions = [.. ways.Select(way => way.Scores), .. ways.Select(way => way.Best).OfType<Action>()];
        double[] medians = Interleaved.Medians(actions, Rounds);
        int first = ways.Length;
        for (int i = 0; i < ways.Length; i++)
        {
            double score = medians[i], search = ways[i].Best is null ? double.NaN : medians[first++];
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{ways[i].Name,-30}{vectors,10:N0}{ways[i].Bytes / 1e6,9:F1}{score / 1e6,12:F3}{(double.IsNaN(search) ? "" : (search / 1e6).ToString("F3", CultureInfo.InvariantCulture)),13}{medians[0] / score,9:F1}{ways[i].Bytes / score,8:F1}"));
        }

        Array.ForEach(indexes, index => index.Dispose());
    }
}
