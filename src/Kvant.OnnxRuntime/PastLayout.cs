using System.Globalization;
using System.Text.RegularExpressions;
using Kvant.Caching;
using Kvant.OnnxRuntime.Graphs;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Kvant.OnnxRuntime;

/// <summary>
/// What an exported decoder says of its past: for each layer two inputs such as <c>past_key_values.0.key</c> and two outputs such as <c>present.0.key</c>, each
/// [batch, key-value head, token, number]. Optimum and the builder of ONNX Runtime GenAI export that.
/// </summary>
internal sealed partial record PastLayout
{
    public required int Layers { get; init; }

    public required int KvHeads { get; init; }

    public required int KeyDimension { get; init; }

    public required int ValueDimension { get; init; }

    /// <summary>Whether keys and values are in half precision; else floats.</summary>
    public required bool IsHalf { get; init; }

    /// <summary>The inputs: keys of layer 0, values of layer 0, keys of layer 1 and so on.</summary>
    public required IReadOnlyList<string> Past { get; init; }

    /// <summary>The outputs, in the same order; empty where nothing comes out.</summary>
    public required IReadOnlyList<string> Present { get; init; }

    /// <summary>The shape of a cache that holds it; how many heads ask is not said.</summary>
    public CacheGeometry Geometry => new() { Layers = Layers, KvHeads = KvHeads, KeyDimension = KeyDimension, ValueDimension = ValueDimension };

    /// <summary>Finds the past of a session.</summary>
    /// <exception cref="InvalidDataException">There is none, or it is of a kind that is not known.</exception>
    public static PastLayout Of(InferenceSession session)
    {
        return Of(Values(session.InputMetadata), Values(session.OutputMetadata));

        static OnnxValue[] Values(IReadOnlyDictionary<string, NodeMetadata> metadata) => [.. metadata.Where(pair => pair.Value.IsTensor).Select(pair =>
            new OnnxValue(pair.Key, (int)pair.Value.ElementDataType, [.. pair.Value.Dimensions.Select(size => size.ToString(CultureInfo.InvariantCulture))]))];
    }

    /// <summary>Finds the past of a graph.</summary>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="outputs">Its outputs.</param>
    /// <exception cref="InvalidDataException">There is none, or it is of a kind that is not known.</exception>
    public static PastLayout Of(IReadOnlyList<OnnxValue> inputs, IReadOnlyList<OnnxValue> outputs)
    {
        Dictionary<(int Layer, bool Value), OnnxValue> past = Find(inputs, "past"), present = Find(outputs, "present");
        if (past.Count == 0)
            throw new InvalidDataException($"The model has no inputs for a past such as 'past_key_values.0.key'; its inputs are {string.Join(", ", inputs.Select(input => input.Name))}. Export it with a past.");
        int layers = past.Keys.Max(key => key.Layer) + 1;
        if (past.Count != 2 * layers || !past.Keys.ToHashSet().SetEquals(present.Keys))
            throw new InvalidDataException($"The model has {past.Count} inputs of a past and {present.Count} outputs; keys and values of {layers} layers are wanted of both.");
        (OnnxValue keys, OnnxValue values) = (past[(0, false)], past[(0, true)]);
        PastLayout layout = new()
        {
            Layers = layers,
            KvHeads = Size(keys, 1),
            KeyDimension = Size(keys, 3),
            ValueDimension = Size(values, 3),
            IsHalf = keys.ElementType == OnnxTensor.Half,
            Past = Ordered(past),
            Present = Ordered(present),
        };
        foreach (OnnxValue value in past.Values)
            layout.Require(value, "past");
        foreach (OnnxValue value in present.Values)
            layout.Require(value, "present");
        return layout;

        string[] Ordered(Dictionary<(int Layer, bool Value), OnnxValue> values) => [.. Enumerable.Range(0, 2 * layers).Select(i => values[(i / 2, i % 2 == 1)].Name)];
    }

    /// <summary>The layer of an input or output, and whether it is of values; null if it is no part of a past.</summary>
    public static (int Layer, bool Value)? Parse(string name, string kind)
    {
        if (!name.Contains(kind, StringComparison.Ordinal))
            return null;
        // What both are called: past_key_values.
        string rest = name.Replace("key_values", "", StringComparison.Ordinal);
        bool key = rest.Contains("key", StringComparison.Ordinal), value = rest.Contains("value", StringComparison.Ordinal);
        Match number = Digits().Match(rest);
        return key != value && number.Success && number.Length < 6 ? (int.Parse(number.Value, CultureInfo.InvariantCulture), value) : null;
    }

    private static Dictionary<(int Layer, bool Value), OnnxValue> Find(IEnumerable<OnnxValue> values, string kind)
    {
        Dictionary<(int Layer, bool Value), OnnxValue> found = [];
        foreach (OnnxValue value in values)
        {
            if (Parse(value.Name, kind) is { } place && !found.TryAdd(place, value))
                throw new InvalidDataException($"'{found[place].Name}' and '{value.Name}' are both the {(place.Value ? "values" : "keys")} of layer {place.Layer}.");
        }

        return found;
    }

    // Names and numbers that are not said are less than 1.
    private static int Size(IReadOnlyList<string> dimensions, int axis) => int.TryParse(dimensions[axis], NumberStyles.None, CultureInfo.InvariantCulture, out int size) ? size : 0;

    private static int Size(OnnxValue value, int axis) => value.Dimensions is { Count: 4 } dimensions && Size(dimensions, axis) is > 0 and int size ? size
        : throw new InvalidDataException($"'{value.Name}' is [{string.Join(", ", value.Dimensions ?? [])}]; [batch, key-value heads, tokens, numbers] is wanted, heads and numbers said.");

    private void Require(OnnxValue value, string kind)
    {
        int dimension = Parse(value.Name, kind)!.Value.Value ? ValueDimension : KeyDimension, type = IsHalf ? OnnxTensor.Half : OnnxTensor.Float;
        // What comes out may say less of its shape.
        bool fits = value.Dimensions is null ? kind == "present"
            : value.Dimensions is { Count: 4 } sizes && (Size(sizes, 1) <= 0 || Size(sizes, 1) == KvHeads) && (Size(sizes, 3) <= 0 || Size(sizes, 3) == dimension);
        if (!fits || value.ElementType != type)
        {
            throw new InvalidDataException(
                $"'{value.Name}' is {(TensorElementType)value.ElementType} [{string.Join(", ", value.Dimensions ?? [])}]; {(TensorElementType)type} [batch, {KvHeads}, tokens, {dimension}] is wanted, as the first layer has it. Models whose layers differ are not taken.");
        }
    }

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Digits();
}
