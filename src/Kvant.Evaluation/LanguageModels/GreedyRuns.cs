using System.Diagnostics;
using System.Numerics.Tensors;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>
/// Lets the model write on by itself behind a few prompts, always the most likely token, and looks where the text with a compressed cache
/// leaves the exact one. Prompts are read as a decoder reads them, many tokens at once; the speeds are those of these runs, one at a time.
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
        for (int i = 0; i < policies.Length; i++)
        {
            using var reader = new Reader(experiment.Model, experiment.CacheOptions(policies[i]), _plan.Batch, experiment.Threads, tokenByToken: false, i == 0 ? Arithmetic.Exact : experiment.Arithmetic);
            for (int prompt = 0; prompt < Prompts; prompt++)
            {
                reader.Restart();
                _runs[i][prompt] = Write(reader, _plan.Chunks[prompt].Inputs.Span[..PromptLength(_plan)]);
            }
        }

        return this;
    }

    private GreedyRun Write(Reader reader, ReadOnlySpan<int> prompt)
    {
        float[] logits = new float[_plan.Experiment.Model.VocabularySize];
        int[] tokens = new int[Tokens];
        long start = Stopwatch.GetTimestamp();
        reader.Decoder.Forward(prompt, logits);
        TimeSpan reading = Stopwatch.GetElapsedTime(start);
        _meter.Step(prompt.Length);
        start = Stopwatch.GetTimestamp();
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = TensorPrimitives.IndexOfMax<float>(logits);
            reader.Decoder.Forward([tokens[i]], logits);
        }

        TimeSpan writing = Stopwatch.GetElapsedTime(start);
        _meter.Step(tokens.Length);
        return new GreedyRun(tokens, prompt.Length / reading.TotalSeconds, tokens.Length / writing.TotalSeconds);
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
