using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Metrics;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Tuning;

/// <summary>Tuning on a model: the first pieces of a text to measure, the next to verify.</summary>
internal sealed class ModelTuneSource(LanguageModel model, TextChunk[] measured, TextChunk[] heldOut, KvCacheOptions options, int threads, string fingerprint) : TuneSource
{
    private readonly int _batch = TeacherForcing.BatchFor(model);

    public override CacheGeometry Geometry => options.Geometry;

    public override string Fingerprint => fingerprint;

    public override (long Errors, long Sensitivity, long Verify) Steps => (Tokens(measured), 3 * Tokens(measured), Tokens(heldOut));

    public override double[][] LayerErrors(IReadOnlyList<LayerSpecs> candidates, ShareMeter meter)
    {
        using var attention = new ComparingAttention(With(Uniform(new(ModelExperiment.Exact, ModelExperiment.Exact))), [.. candidates.Select(c => With(Uniform(c)))], threads);
        using var decoder = new Decoder(model, attention, new DecoderOptions { Batch = _batch, Threads = threads, BeyondContext = true });
        float[] logits = new float[model.VocabularySize];
        foreach (TextChunk chunk in measured)
        {
            attention.Restart();
            for (int first = 0; first < chunk.Inputs.Length; first += _batch)
            {
                int count = Math.Min(_batch, chunk.Inputs.Length - first);
                decoder.Forward(chunk.Inputs.Span.Slice(first, count), logits);
                meter.Step((long)count * candidates.Count);
            }
        }

        return [.. candidates.Select((_, i) => attention.Errors(i).ToArray())];
    }

    public override (double Keys, double Values)? Sensitivity(int layer, CodecSpec codec, ShareMeter meter)
    {
        CodecSpec exact = ModelExperiment.Exact;
        LayerSpecs[] layers = [.. Uniform(new(exact, exact))];
        TokenLoss[] losses = Read(measured, [Only(new(codec, exact)), Only(new(exact, codec))], meter);
        return (losses[0].DivergenceMean.Value, losses[1].DivergenceMean.Value);

        LayerPolicy Only(LayerSpecs specs) => new(layers.Select((other, l) => l == layer ? specs : other));
    }

    public override TokenLoss[] Verify(IReadOnlyList<LayerPolicy> policies, ShareMeter meter) => Read(heldOut, policies, meter);

    private TokenLoss[] Read(TextChunk[] chunks, IReadOnlyList<LayerPolicy> policies, ShareMeter meter)
    {
        var reading = new TeacherForcing(model, chunks, [.. policies.Select(With)]);
        reading.Run(threads, meter);
        return reading.Losses;
    }

    private KvCacheOptions With(LayerPolicy policy) => options with { Policy = policy };

    private LayerPolicy Uniform(LayerSpecs specs) => LayerPolicy.Uniform(model.Config.Layers, specs.Keys, specs.Values);

    private static long Tokens(TextChunk[] chunks) => chunks.Sum(c => (long)c.Inputs.Length);
}
