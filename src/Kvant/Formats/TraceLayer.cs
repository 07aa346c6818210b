using System.Globalization;

namespace Kvant.Formats;

/// <summary>The tensors of one layer of a trace.</summary>
internal sealed record TraceLayer(TensorInfo Keys, TensorInfo Values, TensorInfo? Queries)
{
    internal bool IsHalfPrecision => Keys.ElementType == ElementType.F16 && Values.ElementType == ElementType.F16
        && Queries is null or { ElementType: ElementType.F16 };

    internal static string KeyName(int layer) => string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.key");

    internal static string ValueName(int layer) => string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.value");

    internal static string QueryName(int layer) => string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.query");

    /// <summary>Finds all layers, from 0 without a gap, and checks that they agree.</summary>
    internal static TraceLayer[] Find(SafetensorsFile file)
    {
        List<TraceLayer> layers = [];
        while (file.TryGetTensor(KeyName(layers.Count), out TensorInfo? keys))
        {
            file.TryGetTensor(QueryName(layers.Count), out TensorInfo? queries);
            TraceLayer layer = new(keys, file.Tensor(ValueName(layers.Count)), queries);
            layer.Check(file, layers.Count == 0 ? layer : layers[0]);
            layers.Add(layer);
        }
        if (layers.Count == 0) throw new InvalidDataException($"{file.Path}: the tensor '{KeyName(0)}' is missing");
        RefuseGaps(file, layers.Count);
        return [.. layers];
    }

    private static void RefuseGaps(SafetensorsFile file, int layers)
    {
        foreach (TensorInfo tensor in file.Tensors)
        {
            string[] parts = tensor.Name.Split('.');
            if (parts is ["layers", var number, "key" or "value" or "query"]
                && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long layer) && layer >= layers)
                throw file.InvalidData(tensor, $"layer {layer} found, but '{KeyName(layers)}' is missing");
        }
    }

    private void Check(SafetensorsFile file, TraceLayer first)
    {
        CheckOne(file, Keys);
        CheckOne(file, Values);
        if (Values.Shape[0] != Keys.Shape[0] || Values.Shape[1] != Keys.Shape[1])
            throw file.InvalidData(Values, $"the shape {Shape(Values)} does not agree with the keys' {Shape(Keys)}");
        if (Queries is not null)
        {
            CheckOne(file, Queries);
            if (Queries.Shape[0] % Keys.Shape[0] != 0 || Queries.Shape[1] != Keys.Shape[1] || Queries.Shape[2] != Keys.Shape[2])
                throw file.InvalidData(Queries, $"the shape {Shape(Queries)} does not agree with the keys' {Shape(Keys)}: heads must be a multiple, tokens and dimension equal");
        }
        CheckSame(file, Keys, first.Keys);
        CheckSame(file, Values, first.Values);
        if (Queries is null != first.Queries is null) throw file.InvalidData(Keys, "some layers have queries and some have none");
        if (Queries is not null) CheckSame(file, Queries, first.Queries!);
    }

    private static void CheckOne(SafetensorsFile file, TensorInfo tensor)
    {
        if (!tensor.ElementType.IsFloat()) throw file.InvalidData(tensor, $"the element type is {tensor.ElementType.Name()}; F32, F16 or BF16 is wanted");
        if (tensor.Shape.Count != 3 || tensor.ElementCount == 0) throw file.InvalidData(tensor, $"the shape is {Shape(tensor)}; heads, tokens and dimension, each at least 1, are wanted");
        // Every factor is at least 1 here, so that this bounds the heads, the tokens and the dimension too.
        if (tensor.Shape[0] > int.MaxValue || tensor.ElementCount / tensor.Shape[0] > int.MaxValue)
            throw file.InvalidData(tensor, $"the shape {Shape(tensor)} has more than {int.MaxValue} numbers in a head");
    }

    private static void CheckSame(SafetensorsFile file, TensorInfo tensor, TensorInfo first)
    {
        if (!tensor.Shape.SequenceEqual(first.Shape)) throw file.InvalidData(tensor, $"the shape {Shape(tensor)} does not agree with '{first.Name}' {Shape(first)}");
    }

    private static string Shape(TensorInfo tensor) => $"[{string.Join(", ", tensor.Shape)}]";
}
