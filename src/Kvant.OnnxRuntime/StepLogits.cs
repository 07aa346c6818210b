using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime;

/// <summary>The logits of a step.</summary>
internal static class StepLogits
{
    /// <summary>Copies the logits behind the last token of each sequence from what a run bound.</summary>
    public static void Copy(OrtIoBinding binding, Span<float> logits)
    {
        if (logits.IsEmpty)
            return;
        int place = Array.IndexOf(binding.GetOutputNames(), "logits");
        using IDisposableReadOnlyCollection<OrtValue> outputs = binding.GetOutputValues();
        // [sequence, token, vocabulary]
        long[] shape = outputs[place].GetTensorTypeAndShape().Shape;
        for (int i = 0; i < shape[0]; i++)
            OrtFloats.Copy(outputs[place], (((i + 1) * shape[1]) - 1) * shape[2], logits.Slice((int)(i * shape[2]), (int)shape[2]));
    }
}
