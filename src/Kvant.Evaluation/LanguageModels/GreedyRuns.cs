using System.Diagnostics;
using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>
/// Lets the model write on by itself behind a few prompts, always the most likely token, and looks where the text with a compressed cache
/// leaves the exact one. Prompts are read as a decoder reads them, many tokens at once, and texts written side by side; the speeds are those of these runs.
/// </summary>
internal sealed class GreedyRuns
{
    public const int Tokens = 128;

    private const int MostPrompts = 4, LongestPrompt = 256;

    private readonly ModelPlan _plan;
    private readonly ShareMeter _meter;
    private readonly GreedyRun[][] _runs;

    public GreedyRuns(ModelPlan plan, ShareMeter meter)
    {
        (_plan, _meter) = (plan, meter);
        _runs = [.. Enumerable.Range(0, plan.Contestants.Length + 1).Select(_ => new GreedyRun[PromptsOf(plan)])];
    }

    public int Prompts => PromptsOf(_plan);

    public ModelSpeed ExactSpeed => SpeedOf(_runs[0]);

    public static long Steps(ModelPlan plan) => (long)PromptsOf(plan) * (PromptLength(plan) + Tokens) * (plan.Contestants.Length + 1);

    public ModelSpeed Speed(int pair) => SpeedOf(_runs[pair + 1]);

    /// <summary>By prompt, how many tokens were the same before the first that differs; null where none did.</summary>
    public IReadOnlyList<int?> Differences(int pair) => [.. _runs[pair + 1].Select((run, prompt) =>
        run.Tokens.AsSpan().CommonPrefixLength(_runs[0][prompt].Tokens) is var same && same == Tokens ? null : (int?)same)];

    public GreedyRuns Run()
    {
        ModelExperiment experiment = _plan.Experiment;
        LayerPolicy[] policies = [experiment.ExactPolicy, .. _plan.Contestants.Select(c => c.Layers)];
        using var team = new WorkerTeam(experiment.Threads);
        for (int i = 0; i < policies.Length; i++)
        {
            KvCache[] caches = [.. Enumerable.Range(0, Prompts).Select(_ => new KvCache(experiment.CacheOptions(policies[i])))];
            try
            {
                var options = new DecoderOptions { Arithmetic = i == 0 ? Arithmetic.Exact : experiment.Arithmetic, Batch = Math.Max(_plan.Batch, Prompts), BeyondContext = true };
                using var decoder = new BatchDecoder(experiment.Model, options, team: team);
                _runs[i] = Write(decoder, caches);
            }
            finally
            {
                foreach (KvCache cache in caches)
                    cache.Dispose();
            }
        }

        return this;
    }

    // The texts of all prompts side by side: weights are read once for all of them.
    private GreedyRun[] Write(BatchDecoder decoder, KvCache[] caches)
    {
        int vocabulary = _plan.Experiment.Model.VocabularySize, length = PromptLength(_plan);
        float[] logits = new float[caches.Length * vocabulary];
        double[] reading = new double[caches.Length];
        for (int prompt = 0; prompt < caches.Length; prompt++)
        {
            long began = Stopwatch.GetTimestamp();
            decoder.Read(caches[prompt], _plan.Chunks[prompt].Inputs.Span[..length], logits.AsMemory(prompt * vocabulary, vocabulary));
            reading[prompt] = length / Stopwatch.GetElapsedTime(began).TotalSeconds;
            _meter.Step(length);
        }

        int[][] texts = [.. caches.Select(_ => new int[Tokens])];
        int[] next = new int[caches.Length];
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Tokens; i++)
        {
            for (int prompt = 0; prompt < caches.Length; prompt++)
                next[prompt] = texts[prompt][i] = TensorPrimitives.IndexOfMax<float>(logits.AsSpan(prompt * vocabulary, vocabulary));
            decoder.Step(caches, next, logits);
            _meter.Step(caches.Length);
        }

        double writing = caches.Length * Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
        return [.. texts.Select((text, prompt) => new GreedyRun(text, reading[prompt], writing))];
    }

    private static int PromptsOf(ModelPlan plan) => Math.Min(MostPrompts, plan.Chunks.Length);

    private static int PromptLength(ModelPlan plan) => Math.Clamp(plan.Context / 2, 1, LongestPrompt);

    private static ModelSpeed SpeedOf(GreedyRun[] runs) => new(Median(runs, r => r.Reading), Median(runs, r => r.Writing));

    private static double Median(GreedyRun[] runs, Func<GreedyRun, double> of)
    {
        double[] sorted = [.. runs.Select(of).Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
