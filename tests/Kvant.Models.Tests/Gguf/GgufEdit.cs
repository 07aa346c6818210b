using Kvant.Models.Gguf;

namespace Kvant.Models.Tests.Gguf;

/// <summary>Variations of a file, so that no test needs a file of its own.</summary>
internal static class GgufEdit
{
    /// <summary>A file's content with some metadata replaced, added or (null) left out, and with some of the tensors.</summary>
    internal static GgufWriter Copy(GgufFile file, (string Key, object? Value)[] changes, Predicate<GgufTensor>? includes = null)
    {
        GgufWriter writer = new();
        foreach ((string key, GgufValue value) in file.Metadata)
        {
            if (changes.All(c => c.Key != key)) Add(writer, key, Read(value));
        }
        foreach ((string key, object? value) in changes)
        {
            if (value is not null) Add(writer, key, value);
        }
        AddTensors(writer, file, includes);
        return writer;
    }

    internal static void AddTensors(GgufWriter writer, GgufFile file, Predicate<GgufTensor>? includes = null)
    {
        foreach (GgufTensor tensor in file.Tensors)
        {
            if (includes?.Invoke(tensor) != false) writer.AddTensor(tensor.Name, tensor.Format, file.Bytes(tensor, 0, (int)tensor.ByteLength), [.. tensor.Shape]);
        }
    }

    internal static void Add(GgufWriter writer, string key, object value)
    {
        switch (value)
        {
            case string text: writer.Add(key, text); break;
            case bool yes: writer.Add(key, yes); break;
            case float number: writer.Add(key, number); break;
            case uint count: writer.Add(key, count); break;
            case string[] texts: writer.Add(key, texts); break;
            case float[] numbers: writer.Add(key, numbers); break;
            case int[] integers: writer.Add(key, integers); break;
            default: throw new ArgumentException($"{value.GetType()}");
        }
    }

    private static object Read(GgufValue value) => (value.Type, value.IsArray) switch
    {
        (GgufValueType.Text, false) => value.AsText(),
        (GgufValueType.Text, true) => value.AsTexts(),
        (GgufValueType.Float32, false) => value.AsNumber(),
        (GgufValueType.Float32, true) => value.AsSingles(),
        (GgufValueType.Boolean, false) => value.AsBoolean(),
        (_, true) => value.AsIntegers(),
        _ => (uint)value.AsCount(),
    };
}
