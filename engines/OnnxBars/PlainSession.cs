using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace OnnxBars;

/// <summary>An exported decoder as anybody runs it, with its past in floats: what everything is compared with.</summary>
public sealed class PlainSession : IDisposable
{
    private readonly InferenceSession _session;
    private readonly string[] _past;
    private readonly string[] _present;
    private readonly bool _hasPositions;
    private readonly bool _half;
    private OrtValue[]? _values;

    /// <summary>Opens a model.</summary>
    public PlainSession(string path, SessionOptions? options = null)
    {
        _session = options is null ? new InferenceSession(path) : new InferenceSession(path, options);
        _past = [.. _session.InputMetadata.Keys.Where(name => name.StartsWith("past", StringComparison.Ordinal))];
        _present = [.. _past.Select(name => name.Replace("past_key_values", "present", StringComparison.Ordinal))];
        _hasPositions = _session.InputMetadata.ContainsKey("position_ids");
        _half = _session.InputMetadata[_past[0]].ElementDataType == TensorElementType.Float16;
    }

    /// <summary>Tokens so far.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes of the past, once.</summary>
    public long PastBytes => _values?.Sum(value => value.GetTensorSizeInBytes()) ?? 0;

    /// <summary>Reads tokens and gives the logits behind each.</summary>
    public float[][] Forward(params ReadOnlySpan<int> tokens)
    {
        int count = tokens.Length, total = Length + count;
        int[] mask = new int[total];
        mask.AsSpan().Fill(1);
        _values ??= [.. _past.Select(Empty)];
        Dictionary<string, OrtValue> inputs = new() { ["input_ids"] = Numbers(tokens.ToArray()), ["attention_mask"] = Numbers(mask) };
        if (_hasPositions)
            inputs["position_ids"] = Numbers([.. Enumerable.Range(Length, count)]);
        if (_session.InputMetadata.ContainsKey("use_cache_branch"))
            inputs["use_cache_branch"] = OrtValue.CreateTensorValueFromMemory([Length > 0], [1]);
        for (int i = 0; i < _past.Length; i++)
            inputs[_past[i]] = _values[i];
        using var settings = new RunOptions();
        // What comes out is the next past, as it lies there.
        IDisposableReadOnlyCollection<OrtValue> outputs = _session.Run(settings, inputs, ["logits", .. _present]);
        foreach (OrtValue input in inputs.Values)
            input.Dispose();
        _values = [.. outputs.Skip(1)];
        Length = total;
        float[] all = outputs[0].GetTensorTypeAndShape().ElementDataType == TensorElementType.Float16 ? [.. outputs[0].GetTensorDataAsSpan<Float16>().ToArray().Select(number => (float)number)] : outputs[0].GetTensorDataAsSpan<float>().ToArray();
        outputs[0].Dispose();
        return [.. all.Chunk(all.Length / count)];
    }

    /// <summary>Puts random rows into the past: what a step takes and holds does not depend on them.</summary>
    public void Fill(int tokens)
    {
        var random = new Random(1);
        foreach (OrtValue value in _values ?? [])
            value.Dispose();
        _values = [.. _past.Select(Random)];
        Length = tokens;

        OrtValue Random(string name)
        {
            int[] sizes = _session.InputMetadata[name].Dimensions;
            long[] shape = [1, sizes[1], tokens, sizes[3]];
            OrtValue value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, _half ? TensorElementType.Float16 : TensorElementType.Float, shape);
            Span<float> floats = _half ? new float[sizes[1] * tokens * sizes[3]] : value.GetTensorMutableDataAsSpan<float>();
            foreach (ref float number in floats)
                number = random.NextSingle() - .5f;
            if (_half)
                TensorPrimitives.ConvertToHalf(floats, MemoryMarshal.Cast<Float16, Half>(value.GetTensorMutableDataAsSpan<Float16>()));
            return value;
        }
    }

    /// <summary>Rounds the rows of the last tokens to half precision, as a cache of such rows has them.</summary>
    public void Round(int tokens)
    {
        foreach (OrtValue value in _half ? [] : _values!)
        {
            long[] shape = value.GetTensorTypeAndShape().Shape;
            Span<float> all = value.GetTensorMutableDataAsSpan<float>();
            for (int head = 0; head < shape[1]; head++)
            {
                foreach (ref float number in all.Slice((int)(((head * shape[2]) + shape[2] - tokens) * shape[3]), (int)(tokens * shape[3])))
                    number = (float)(Half)number;
            }
        }
    }

    /// <summary>Ends the session.</summary>
    public void Dispose()
    {
        foreach (OrtValue value in _values ?? [])
            value.Dispose();
        _session.Dispose();
    }

    private OrtValue Numbers(int[] numbers) => _session.InputMetadata["input_ids"].ElementDataType == TensorElementType.Int32 ? OrtValue.CreateTensorValueFromMemory(numbers, [1, numbers.Length])
        : OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(numbers, number => (long)number), [1, numbers.Length]);

    private OrtValue Empty(string name)
    {
        NodeMetadata metadata = _session.InputMetadata[name];
        long[] shape = [1, metadata.Dimensions[1], 0, metadata.Dimensions[3]];
        return _half ? OrtValue.CreateTensorValueFromMemory(Array.Empty<Float16>(), shape) : OrtValue.CreateTensorValueFromMemory(Array.Empty<float>(), shape);
    }
}
