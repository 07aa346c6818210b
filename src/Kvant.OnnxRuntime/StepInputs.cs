using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Kvant.OnnxRuntime;

/// <summary>What a decoder is told of a step beside its past: the tokens, their positions, and which tokens there are.</summary>
internal sealed class StepInputs : IDisposable
{
    private readonly bool _hasMask;
    private readonly bool _hasPositions;
    private readonly List<OrtValue> _values = [];
    private long[] _tokens = [];
    private long[] _positions = [];
    private long[] _mask = [];

    /// <summary>Looks at what a session wants.</summary>
    /// <exception cref="InvalidDataException">It wants something that is not known.</exception>
    public StepInputs(InferenceSession session)
    {
        foreach ((string name, NodeMetadata metadata) in session.InputMetadata)
        {
            if (PastLayout.Parse(name, "past") is not null)
                continue;
            if (name is not ("input_ids" or "attention_mask" or "position_ids") || metadata.ElementDataType != TensorElementType.Int64 || metadata.Dimensions.Length != 2)
                throw new InvalidDataException($"The model has the input '{name}', {metadata.ElementDataType} [{string.Join(", ", metadata.Dimensions)}]; beside its past a decoder has 'input_ids', 'attention_mask' and 'position_ids' here, Int64 [batch, tokens].");
            _hasMask |= name == "attention_mask";
            _hasPositions |= name == "position_ids";
        }

        if (!session.OutputMetadata.TryGetValue("logits", out NodeMetadata? logits) || logits.Dimensions is not [_, _, > 0])
            throw new InvalidDataException($"The model has no output 'logits' of [batch, tokens, vocabulary]; its outputs are {string.Join(", ", session.OutputMetadata.Keys)}.");
        VocabularySize = logits.Dimensions[2];
    }

    public int VocabularySize { get; }

    /// <summary>Gives a step to a binding.</summary>
    /// <param name="binding">Receives the inputs, valid until the next call.</param>
    /// <param name="tokens">Equally many for each sequence.</param>
    /// <param name="lengths">How many tokens each has before.</param>
    /// <param name="padded">How many the longest has; the mask hides what shorter ones lack.</param>
    /// <param name="left">Whether shorter ones are filled up before their tokens; else behind.</param>
    public void Bind(OrtIoBinding binding, ReadOnlySpan<int> tokens, ReadOnlySpan<int> lengths, int padded, bool left)
    {
        Clear();
        int batch = lengths.Length, each = tokens.Length / batch, total = padded + each;
        Grow(ref _tokens, batch * each);
        Grow(ref _positions, batch * each);
        Grow(ref _mask, batch * total);
        for (int i = 0; i < batch; i++)
        {
            for (int t = 0; t < each; t++)
                (_tokens[(i * each) + t], _positions[(i * each) + t]) = (tokens[(i * each) + t], lengths[i] + t);
            Span<long> mask = _mask.AsSpan(i * total, total);
            mask.Clear();
            mask.Slice(left ? padded - lengths[i] : 0, lengths[i] + each).Fill(1);
        }

        Add("input_ids", _tokens, each);
        if (_hasPositions)
            Add("position_ids", _positions, each);
        if (_hasMask)
            Add("attention_mask", _mask, total);

        void Add(string name, long[] numbers, int width)
        {
            var value = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, numbers.AsMemory(0, batch * width), [batch, width]);
            _values.Add(value);
            binding.BindInput(name, value);
        }
    }

    public void Dispose() => Clear();

    private void Clear()
    {
        foreach (OrtValue value in _values)
            value.Dispose();
        _values.Clear();
    }

    private static void Grow(ref long[] numbers, int length)
    {
        if (numbers.Length < length)
            numbers = new long[length + (length / 2)];
    }
}
