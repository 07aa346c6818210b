
using Kvant.Evaluation.Experiments;
namespace Kvant.Evaluation.LanguageModels;

/// <summary>
/// Where the loss begins: the first chunk is read with the exact cache, and each layer's queries, keys and values go through every other
/// cache as well. So a layer's error is its own, not what earlier layers did to its inputs.
/// </summary>
internal sealed class LayerLosses(ModelPlan plan, ShareMeter meter)
{
    private ComparingAttention? _compared;

    /// <summary>By layer, the share of the keys' energy that is in their mean over the chunk.</summary>
    public IReadOnlyList<double> KeyMeanShares => _compared!.KeyMeanShares;

    public static long Steps(ModelPlan plan) => (long)plan.Context * plan.Contestants.Length;

    /// <summary>By layer, the energy of the error of the attention output over its energy.</summary>
    /// <param name="pair">The number of a contestant.</param>
    public IReadOnlyList<double> Errors(int pair) => _compared!.Errors(pair);

    public LayerLosses Run()
    {
        ModelExperiment experiment = plan.Experiment;
        using var attention = new ComparingAttention(
            experiment.CacheOptions(experiment.ExactPolicy), [.. plan.Contestants.Select(c => experiment.CacheOptions(c.Layers))], experiment.Threads);
        using var decoder = new Models.Decoding.Decoder(experiment.Model, attention, new() { Batch = plan.Batch, Threads = experiment.Threads, BeyondContext = true });
        float[] logits = new float[experiment.Model.VocabularySize];
        ReadOnlySpan<int> inputs = plan.Chunks[0].Inputs.Span;
        for (int first = 0; first < inputs.Length; first += plan.Batch)
        {
            int count = Math.Min(plan.Batch, inputs.Length - first);
            decoder.Forward(inputs.Slice(first, count), logits);
            meter.Step((long)count * plan.Contestants.Length);
        }

        _compared = attention;
        return this;
    }
}
