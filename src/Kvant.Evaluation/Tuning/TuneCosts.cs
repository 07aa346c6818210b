using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;

namespace Kvant.Evaluation.Tuning;

/// <summary>
/// What each codec costs and loses in each place, the keys and the values of each layer. The loss is the error of attention that it makes there, times
/// what the model makes of such an error: the divergence that a reference codec causes there alone, by its own error. Divergence grows with the square of
/// small disturbances, as the error's energy does, so the parts add up.
/// </summary>
internal sealed class TuneCosts
{
    private static readonly CodecSpec s_reference = CodecSpec.Parse("turboquant:bits=3");

    private readonly CodecSpec[] _keys;
    private readonly CodecSpec[] _values;
    private readonly CacheGeometry _geometry;

    public TuneCosts(TuneSource source, CodecSpec[] keys, CodecSpec[] values, TuneMemory memory, ShareMeter meter)
    {
        (_keys, _values, _geometry) = (keys, values, source.Geometry);
        CodecSpec exact = ModelExperiment.Exact;
        LayerSpecs[] candidates = [.. keys.Append(s_reference).Select(k => new LayerSpecs(k, exact)), .. values.Append(s_reference).Select(v => new LayerSpecs(exact, v))];
        int layers = _geometry.Layers;
        string[] names = [.. candidates.SelectMany(c => Enumerable.Range(0, layers).Select(l => $"error {l} {c.Keys.FullText} {c.Values.FullText}"))];
        double[] errors = memory.Recall(names, () => [.. source.LayerErrors(candidates, meter).SelectMany(e => e)], () => meter.Step(source.Steps.Errors * candidates.Length));
        Places = new Choice[2 * layers][];
        for (int layer = 0; layer < layers; layer++)
        {
            int l = layer;
            double[] sensitivity = memory.Recall(
                [$"divergence {l} keys", $"divergence {l} values"],
                () => source.Sensitivity(l, s_reference, meter) is var (k, v) ? [k, v] : [-1, -1],
                () => meter.Step(source.Steps.Sensitivity));
            Places[2 * l] = [.. keys.Select((spec, i) => new Choice(spec, Bits(spec, CodecRole.Keys), Loss(i, keys.Length, sensitivity[0])))];
            Places[(2 * l) + 1] = [.. values.Select((spec, i) => new Choice(spec, Bits(spec, CodecRole.Values), Loss(keys.Length + 1 + i, candidates.Length - 1, sensitivity[1])))];

            double Loss(int candidate, int reference, double divergence) =>
                divergence < 0 ? Error(candidate) : Error(candidate) * divergence / Math.Max(Error(reference), double.Epsilon);

            double Error(int candidate) => errors[(candidate * layers) + l];
        }
    }

    /// <summary>The keys of layer 0, its values, the keys of layer 1 and so on: every candidate of each.</summary>
    public Choice[][] Places { get; }

    /// <summary>The policy that takes one candidate in each place.</summary>
    public TunePoint Point(int[] chosen)
    {
        Choice[] choices = [.. chosen.Select((choice, place) => Places[place][choice])];
        LayerSpecs[] layers = [.. choices.Chunk(2).Select(pair => new LayerSpecs(pair[0].Spec, pair[1].Spec))];
        double bits = choices.Sum(c => c.Bits), numbers = (double)_geometry.Fp16BytesPerToken / 2;
        return new TunePoint(new LayerPolicy(layers), bits / numbers, bits / 8, choices.Sum(c => c.Loss), null, layers.All(l => l == layers[0]));
    }

    /// <summary>Every choice of one codec for all keys and one for all values.</summary>
    public IEnumerable<TunePoint> Uniform() =>
        from key in Enumerable.Range(0, _keys.Length)
        from value in Enumerable.Range(0, _values.Length)
        select Point([.. Enumerable.Range(0, Places.Length).Select(place => place % 2 == 0 ? key : value)]);

    private double Bits(CodecSpec spec, CodecRole role)
    {
        int dimension = role == CodecRole.Keys ? _geometry.KeyDimension : _geometry.ValueDimension;
        return spec.CreateCodec(dimension, role).BitsPerValue * dimension * _geometry.KvHeads;
    }
}
