using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Metrics;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>What a <see cref="ModelExperiment"/> has to read, each kind of cache once, and how the parts of its report come together.</summary>
internal sealed class ModelPlan
{
    private readonly List<CodecPair> _readings = [];

    public ModelPlan(ModelExperiment experiment, TextChunk[] chunks)
    {
        (Experiment, Chunks, Batch) = (experiment, chunks, TeacherForcing.BatchFor(experiment.Model));
        foreach (CodecPair pair in experiment.Pairs)
        {
            Add(pair);
            if (experiment.Parts)
            {
                Add(KeysOnly(pair));
                Add(ValuesOnly(pair));
            }
        }

        void Add(CodecPair pair)
        {
            if (!_readings.Contains(pair))
                _readings.Add(pair);
        }
    }

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
        ExactPerplexity = forced.ExactPerplexity,
        KeyMeanShares = layers.KeyMeanShares,
        ExactSpeed = greedy.ExactSpeed,
        GreedyPrompts = greedy.Prompts,
        GreedyTokens = GreedyRuns.Tokens,
        PeakMemory = MachineInfo.PeakMemory(),
        Results = [.. Experiment.Pairs.Select((pair, i) => Result(pair, i, forced, layers, greedy))],
    };

    private ModelResult Result(CodecPair pair, int index, TeacherForcing forced, LayerLosses layers, GreedyRuns greedy)
    {
        CacheStatistics cache = forced.Statistics[_readings.IndexOf(pair)], later = CachePlan.For(Experiment.CacheOptions(pair), Experiment.LongContext);
        CacheGeometry geometry = Experiment.Model.Config.CacheGeometry;
        double keyBits = pair.Keys.CreateCodec(geometry.KeyDimension, CodecRole.Keys).BitsPerValue;
        double valueBits = pair.Values.CreateCodec(geometry.ValueDimension, CodecRole.Values).BitsPerValue;
        return new ModelResult
        {
            Keys = pair.Keys.FullText,
            Values = pair.Values.FullText,
            BodyBitsPerValue = ((keyBits * geometry.KeyDimension) + (valueBits * geometry.ValueDimension)) / (geometry.KeyDimension + geometry.ValueDimension),
            BytesPerToken = (double)cache.TotalBytes / Context,
            Ratio = cache.CompressionRatio,
            LongBytesPerToken = (double)later.TotalBytes / Experiment.LongContext,
            LongRatio = later.CompressionRatio,
            Loss = Loss(pair),
            KeysOnly = Experiment.Parts ? Loss(KeysOnly(pair)) : null,
            ValuesOnly = Experiment.Parts ? Loss(ValuesOnly(pair)) : null,
            LayerErrors = layers.Errors(index),
            GreedyDifferences = greedy.Differences(index),
            Speed = greedy.Speed(index),
        };

        TokenLoss Loss(CodecPair reading) => forced.Losses[_readings.IndexOf(reading)];
    }

    private static CodecPair KeysOnly(CodecPair pair) => pair with { Values = ModelExperiment.Exact };

    private static CodecPair ValuesOnly(CodecPair pair) => pair with { Keys = ModelExperiment.Exact };
}
