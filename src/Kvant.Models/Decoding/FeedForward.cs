using Kvant.Models.Weights;

namespace Kvant.Models.Decoding;

/// <summary>Runs what follows attention in a layer: its one gated part, or the experts that its router chooses for each token.</summary>
internal sealed class FeedForward
{
    private readonly MatrixProduct _product;
    private readonly bool _gelu;
    private readonly float[] _gate;
    private readonly float[] _up;
    private readonly ExpertMix? _mix;

    /// <summary>Prepares the buffers.</summary>
    internal FeedForward(LanguageModel model, MatrixProduct product, int mostTokens)
    {
        _product = product;
        _gelu = model.Architecture.HasGelu;
        _gate = new float[checked(mostTokens * model.Config.FeedForward)];
        _up = new float[_gate.Length];
        _mix = model.Config.Experts > 0 ? new ExpertMix(model.Config, product, mostTokens) : null;
    }

    /// <summary>Runs the part of a layer.</summary>
    /// <param name="weights">The layer's.</param>
    /// <param name="inputs">tokens x width.</param>
    /// <param name="outputs">Receives as much, from its beginning; may be where the inputs are.</param>
    /// <param name="count">How many tokens.</param>
    internal void Apply(LayerWeights weights, ReadOnlyMemory<float> inputs, float[] outputs, int count)
    {
        if (weights.Router is not { } router)
        {
            Apply(weights.Parts[0], inputs, outputs, count);
            return;
        }
        _mix!.Choose(router, inputs, count);
        for (int expert = 0; expert < weights.Parts.Length; expert++)
        {
            int tokens = _mix.Gather(expert, inputs.Span);
            if (tokens == 0) continue;
            Apply(weights.Parts[expert], _mix.Inputs(tokens), _mix.Outputs, tokens);
            _mix.Add(expert);
        }
        _mix.Sums(count).CopyTo(outputs);
    }

    private void Apply(GatedPart part, ReadOnlyMemory<float> inputs, float[] outputs, int count)
    {
        Memory<float> gate = part.Gate.Apply(_product, inputs, _gate, count), up = part.Up.Apply(_product, inputs, _up, count);
        Gates.Apply(gate.Span, up.Span, _gelu);
        part.Down.Apply(_product, up, outputs, count);
    }
}
