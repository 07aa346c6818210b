using System.Numerics.Tensors;
using Kvant.Models.Weights;

namespace Kvant.Models.Decoding;

/// <summary>
/// The choice of experts (Shazeer et al., 2017; Fedus et al., 2021), as Qwen3 makes it: the softmax over all of them, the few with the largest shares, these
/// shares divided by their sum. Tokens that chose the same expert go through it together; sums are added in the order of experts, so a token's do not depend on its company.
/// </summary>
internal sealed class ExpertMix
{
    private readonly MatrixProduct _product;
    private readonly int _experts;
    private readonly int _used;
    private readonly int _width;
    private readonly float[] _scores;
    private readonly float[] _shares;
    private readonly int[] _tokens;
    private readonly float[] _inputs;
    private readonly float[] _sums;
    private int _count;
    private int _gathered;

    /// <summary>Prepares the buffers.</summary>
    internal ExpertMix(ModelConfig config, MatrixProduct product, int mostTokens)
    {
        (_product, _experts, _used, _width) = (product, config.Experts, config.ExpertsUsed, config.Width);
        _scores = new float[checked(mostTokens * _experts)];
        _shares = new float[_scores.Length];
        _tokens = new int[mostTokens];
        _inputs = new float[checked(mostTokens * _width)];
        Outputs = new float[_inputs.Length];
        _sums = new float[_inputs.Length];
    }

    /// <summary>Where an expert leaves what it gives for the gathered tokens.</summary>
    internal float[] Outputs { get; }

    /// <summary>Chooses for each token, and begins new sums.</summary>
    internal void Choose(WeightMatrix router, ReadOnlyMemory<float> inputs, int count)
    {
        _count = count;
        Memory<float> scores = _scores.AsMemory(0, count * _experts);
        _product.Multiply(router, inputs, scores);
        _shares.AsSpan(0, scores.Length).Clear();
        for (int first = 0; first < scores.Length; first += _experts) Share(scores.Span.Slice(first, _experts), _shares.AsSpan(first, _experts));
        _sums.AsSpan(0, count * _width).Clear();
    }

    /// <summary>Puts the inputs of the tokens side by side that chose an expert.</summary>
    /// <returns>How many there are.</returns>
    internal int Gather(int expert, ReadOnlySpan<float> inputs)
    {
        _gathered = 0;
        for (int token = 0; token < _count; token++)
        {
            if (_shares[(token * _experts) + expert] == 0) continue;
            inputs.Slice(token * _width, _width).CopyTo(_inputs.AsSpan(_gathered * _width));
            _tokens[_gathered++] = token;
        }
        return _gathered;
    }

    internal ReadOnlyMemory<float> Inputs(int tokens) => _inputs.AsMemory(0, tokens * _width);

    /// <summary>Adds what the expert gave, by each token's share.</summary>
    internal void Add(int expert)
    {
        for (int i = 0; i < _gathered; i++)
        {
            Span<float> sum = _sums.AsSpan(_tokens[i] * _width, _width);
            TensorPrimitives.MultiplyAdd(Outputs.AsSpan(i * _width, _width), _shares[(_tokens[i] * _experts) + expert], sum, sum);
        }
    }

    internal ReadOnlySpan<float> Sums(int count) => _sums.AsSpan(0, count * _width);

    private void Share(Span<float> scores, Span<float> shares)
    {
        // SoftMax of the runtime does not subtract the maximum by itself.
        TensorPrimitives.Subtract(scores, TensorPrimitives.Max<float>(scores), scores);
        TensorPrimitives.SoftMax(scores, scores);
        for (int i = 0; i < _used; i++)
        {
            int best = TensorPrimitives.IndexOfMax<float>(scores);
            (shares[best], scores[best]) = (scores[best], -1);
        }
        TensorPrimitives.Divide(shares, TensorPrimitives.Sum<float>(shares), shares);
    }
}
