using Kvant.Models.Gguf;

namespace LlamaSpeed;

/// <summary>A model with the same weights in single precision, in a file of its own. llama.cpp multiplies floats with floats, and rounds nothing that they meet, so its answers with that file and a cache of
/// f32 are a reference that has nothing of Kvant.</summary>
internal static class FloatCopy
{
    /// <summary>Writes the copy, four bytes a number, unless it is there.</summary>
    /// <returns>Its path, in the temporary folder.</returns>
    public static string Of(string path)
    {
        string copy = Path.Combine(Path.GetTempPath(), $"kvant-{Path.GetFileNameWithoutExtension(path)}-f32.gguf");
        if (File.Exists(copy))
            return copy;
        using GgufFile file = GgufFile.Open(path);
        var writer = new GgufWriter();
        foreach ((string key, GgufValue value) in file.Metadata)
            Add(writer, key, value);
        foreach (GgufTensor tensor in file.Tensors)
        {
            float[] numbers = new float[tensor.Shape.Aggregate(1L, (a, b) => a * b)];
            tensor.Format.Dequantize(file.Bytes(tensor, 0, checked((int)tensor.ByteLength)), numbers);
            writer.AddTensor(tensor.Name, numbers, [.. tensor.Shape]);
        }

        string unfinished = copy + ".unfinished";
        writer.Save(unfinished);
        File.Move(unfinished, copy);
        return copy;
    }

    private static void Add(GgufWriter writer, string key, GgufValue value)
    {
        switch (value.Type, value.IsArray)
        {
            case (GgufValueType.Text, false): writer.Add(key, value.AsText()); break;
            case (GgufValueType.Boolean, false): writer.Add(key, value.AsBoolean()); break;
            case (GgufValueType.Float32, false): writer.Add(key, value.AsNumber()); break;
            case (GgufValueType.Text, true): writer.Add(key, value.AsTexts()); break;
            case (GgufValueType.Float32, true): writer.Add(key, value.AsSingles()); break;
            case (_, true): writer.Add(key, value.AsIntegers()); break;
            default: writer.Add(key, (uint)value.AsCount()); break;
        }
    }
}
