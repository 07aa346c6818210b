using Kvant.Caching;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>What a <see cref="ModelExperiment"/> has to read, each kind of cache once, and how the parts of its report come together.</summary>
internal sealed class ModelPlan
{
    private readonly List<LayerPolicy> _readings = [];

    public ModelPlan(ModelExperiment experiment, TextChunk[] chunks)
    {
        (Experiment, Chunks, Batch) = (experiment, chunks, TeacherForcing.BatchFor(experiment.Model));
        Contestants = experiment.Contestants;
        foreach (Contestant contestant in Contestants)
        {
            Add(contestant.Layers);
            if (experiment.Parts)
            {
                Add(contestant.KeysOnly);
                Add(contestant.ValuesOnly);
            }
        }

        void Add(LayerPolicy policy)
        {
            if (Find(policy) < 0)
                _readings.Add(policy);
        }
    }

    public Contestant[] Contestants { get; }

    public ModelExperiment Experiment { get; }

    public TextChunk[] Chunks { get; }

    /// <summary>Every kind of cache that the text is read with, beside the exact one.</summary>
    public IReadOnlyList<KvCacheOptions> Readings => [.. _readings.Select(Experiment.CacheOptions)];

    public int Context => Experiment.Context;

    public int Batch { get; }

    public ModelReport Report(int textTokens, TeacherForcing forced, LayerLosses layers, GreedyRuns greedy) => new()
    {
        Model = ModelInfo.Of(Experiment),
        Text = new TextInfo(Experiment.TextName, textTokens, Chunks.Length, Context),
        Sinks = Experiment.Sinks,
        Window = Experiment.Window,
        Parts = Experiment.Parts,
        LongContext = Experiment.LongContext,
        Against = Experiment.Against?.Name,
        ExactPerplexity = forced.ExactPerplexity,
        KeyMeanShares = layers.KeyMeanShares,
        ExactSpeed = greedy.ExactSpeed,
        GreedyPrompts = greedy.Prompts,
        GreedyTokens = GreedyRuns.Tokens,
        PeakMemory = MachineInfo.PeakMemory(),
        Results = [.. Contestants.Select((contestant, i) => Result(contestant, i, forced, layers, greedy))],
    };

    private ModelResult Result(Contestant contestant, int index, TeacherForcing forced, LayerLosses layers, GreedyRuns greedy)
    {
        CacheStatistics cache = forced.Statistics[Find(contestant.Layers)], later = CachePlan.For(Experiment.CacheOptions(contestant.Layers), Experiment.LongContext);
        return new ModelResult
        {
            Policy = contestant.Policy,
            Keys = contestant.Text(l => l.Keys.FullText),
            Values = contestant.Text(l => l.Values.FullText),
            BodyBitsPerValue = contestant.BitsPerValue(Experiment.Model.CacheGeometry),
            BytesPerToken = (double)cache.TotalBytes / Context,
            Ratio = cache.CompressionRatio,
            LongBytesPerToken = (double)later.TotalBytes / Experiment.LongContext,
            LongRatio = later.CompressionRatio,
            Loss = Loss(contestant.Layers),
            KeysOnly = Experiment.Parts ? Loss(contestant.KeysOnly) : null,
            ValuesOnly = Experiment.Parts ? Loss(contestant.ValuesOnly) : null,
            LayerErrors = layers.Errors(index),
            GreedyDifferences = greedy.Differences(index),
            Speed = greedy.Speed(index),
        };

        TokenLoss Loss(LayerPolicy reading) => forced.Losses[Find(reading)];
    }

    private int Find(LayerPolicy policy) => _readings.FindIndex(r => r.SequenceEqual(policy));
}
