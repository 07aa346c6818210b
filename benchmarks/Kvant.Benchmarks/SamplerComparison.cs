using Kvant.Models.Generation;
using Kvant.Numerics;

namespace Kvant.Benchmarks;

/// <summary>Milliseconds that the choice of a token takes among 151,936, as Qwen2.5 has them, beside a sort of the whole vocabulary.</summary>
internal static class SamplerComparison
{
    private const int Vocabulary = 151_936;
    private const int Rounds = 201;

    public static int Run()
    {
        float[] logits = Logits(), negated = new float[Vocabulary];
        int[] tokens = new int[Vocabulary];
        (string Name, SamplerOptions Options)[] cases =
        [
            ("greedy", new()), ("temperature 1", new() { Temperature = 1 }), ("top-k 40, top-p .9", new() { Temperature = 1, TopK = 40, TopP = 0.9 }),
            ("top-p .9", new() { Temperature = 1, TopP = 0.9 }), ("top-p .99", new() { Temperature = 1, TopP = 0.99 }),
        ];
        Action[] actions = [Sort, .. cases.Select(c => Choice(new Sampler(Vocabulary, c.Options)))];
        double[][] times = Interleaved.Rounds(actions, Rounds);
        Console.WriteLine($"{"",-20}{"ms",8}{"least",8}{"x sort",8}");
        for (int i = 0; i < actions.Length; i++)
        {
            double ratio = Interleaved.Median(times[i].Zip(times[0], (own, sort) => own / sort));
            Console.WriteLine($"{(i == 0 ? "sort of all" : cases[i - 1].Name),-20}{Interleaved.Median(times[i]) / 1e6,8:F2}{times[i].Min() / 1e6,8:F2}{ratio,8:F2}");
        }

        return 0;

        Action Choice(Sampler sampler) => () => sampler.Choose(logits);

        void Sort()
        {
            for (int i = 0; i < Vocabulary; i++)
                (negated[i], tokens[i]) = (-logits[i], i);
            negated.AsSpan().Sort(tokens.AsSpan());
        }
    }

    // Many unlikely tokens and forty that stand out.
    private static float[] Logits()
    {
        var random = new SeededRandom(33);
        float[] logits = [.. Enumerable.Range(0, Vocabulary).Select(_ => (float)(2.5 * random.NextGaussian()))];
        for (int i = 0; i < 40; i++)
            logits[(int)(random.NextDouble() * Vocabulary)] += 12;
        return logits;
    }
}
