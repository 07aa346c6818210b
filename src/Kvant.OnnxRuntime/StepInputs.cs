using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Kvant.OnnxRuntime;

/// <summary>What a decoder is told of a step beside its past: the tokens, their positions, and which tokens there are; where a decoder with a past was merged with one without, which of them is meant.</summary>
internal sealed class StepInputs : IDisposable
{
    private const string Tokens = "input_ids", Mask = "attention_mask", Positions = "position_ids", Branch = "use_cache_branch";

    private readonly Dictionary<string, StepNumbers> _numbers = [];
    private readonly bool[]? _hasPast;
    private OrtValue? _branch;

    /// <summary>Looks at what a session wants.</summary>
    /// <exception cref="InvalidDataException">It wants something that is not known.</exception>
    public StepInputs(InferenceSession session)
    {
        foreach ((string name, NodeMetadata metadata) in session.InputMetadata)
        {
            if (PastLayout.Parse(name, "past") is not null)
                continue;
            if (name == Branch && metadata.ElementDataType == TensorElementType.Bool && metadata.Dimensions.Length == 1)
                _hasPast = [false];
            else if (name is Tokens or Mask or Positions && metadata.ElementDataType is TensorElementType.Int64 or TensorElementType.Int32 && metadata.Dimensions.Length == 2)
                _numbers.Add(name, new StepNumbers(metadata.ElementDataType == TensorElementType.Int32));
            else
                throw new InvalidDataException($"The model has the input '{name}', {metadata.ElementDataType} [{string.Join(", ", metadata.Dimensions)}]; beside its past a decoder has '{Tokens}', '{Mask}' and '{Positions}' here, Int64 or Int32 [batch, tokens], and '{Branch}', Bool [1].");
        }

        if (!_numbers.ContainsKey(Tokens))
            throw new InvalidDataException($"The model has no input '{Tokens}'; its inputs are {string.Join(", ", session.InputMetadata.Keys)}.");
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
        int batch = lengths.Length, each = tokens.Length / batch, total = padded + each;
        foreach ((string name, StepNumbers numbers) in _numbers)
        {
            Span<int> row = numbers.Resize(batch, name == Mask ? total : each);
            for (int i = 0; i < batch; i++)
            {
                for (int t = 0; t < each && name != Mask; t++)
                    row[(i * each) + t] = name == Tokens ? tokens[(i * each) + t] : lengths[i] + t;
                if (name == Mask)
                    row.Slice((i * total) + (left ? padded - lengths[i] : 0), lengths[i] + each).Fill(1);
            }

            binding.BindInput(name, numbers.Value());
        }

        if (_hasPast is null)
            return;
        _hasPast[0] = padded > 0;
        _branch?.Dispose();
        binding.BindInput(Branch, _branch = OrtValue.CreateTensorValueFromMemory(_hasPast, [1]));
    }

    public void Dispose()
    {
        _branch?.Dispose();
        foreach (StepNumbers numbers in _numbers.Values)
            numbers.Dispose();
    }
}
