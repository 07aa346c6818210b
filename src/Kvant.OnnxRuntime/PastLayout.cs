using System.Globalization;
using System.Text.RegularExpressions;
using Kvant.Caching;
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
        Dictionary<(int Layer, bool Value), string> past = Find(session.InputMetadata.Keys, "past"), present = Find(session.OutputMetadata.Keys, "present");
        if (past.Count == 0)
            throw new InvalidDataException($"The model has no inputs for a past such as 'past_key_values.0.key'; its inputs are {string.Join(", ", session.InputMetadata.Keys)}. Export it with a past.");
        int layers = past.Keys.Max(key => key.Layer) + 1;
        if (past.Count != 2 * layers || !past.Keys.ToHashSet().SetEquals(present.Keys))
            throw new InvalidDataException($"The model has {past.Count} inputs of a past and {present.Count} outputs; keys and values of {layers} layers are wanted of both.");
        (NodeMetadata keys, NodeMetadata values) = (session.InputMetadata[past[(0, false)]], session.InputMetadata[past[(0, true)]]);
        PastLayout layout = new()
        {
            Layers = layers,
            KvHeads = Size(keys, 1, past[(0, false)]),
            KeyDimension = Size(keys, 3, past[(0, false)]),
            ValueDimension = Size(values, 3, past[(0, true)]),
            IsHalf = keys.ElementDataType == TensorElementType.Float16,
            Past = Ordered(past),
            Present = Ordered(present),
        };
        foreach (string name in layout.Past)
            layout.Require(session.InputMetadata[name], name);
        foreach (string name in layout.Present)
            layout.Require(session.OutputMetadata[name], name);
        return layout;

        string[] Ordered(Dictionary<(int Layer, bool Value), string> names) => [.. Enumerable.Range(0, 2 * layers).Select(i => names[(i / 2, i % 2 == 1)])];
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

    private static Dictionary<(int Layer, bool Value), string> Find(IEnumerable<string> names, string kind)
    {
        Dictionary<(int Layer, bool Value), string> found = [];
        foreach (string name in names)
        {
            if (Parse(name, kind) is { } place && !found.TryAdd(place, name))
                throw new InvalidDataException($"'{found[place]}' and '{name}' are both the {(place.Value ? "values" : "keys")} of layer {place.Layer}.");
        }

        return found;
    }

    private static int Size(NodeMetadata metadata, int axis, string name) => metadata.Dimensions is { Length: 4 } sizes && sizes[axis] > 0 ? sizes[axis]
        : throw new InvalidDataException($"'{name}' is [{string.Join(", ", metadata.Dimensions)}]; [batch, key-value heads, tokens, numbers] is wanted, heads and numbers said.");

    private void Require(NodeMetadata metadata, string name)
    {
        int dimension = Parse(name, "p")!.Value.Value ? ValueDimension : KeyDimension;
        TensorElementType type = IsHalf ? TensorElementType.Float16 : TensorElementType.Float;
        // What comes out may say less of its shape.
        bool fits = metadata.Dimensions is { Length: 4 } sizes && (sizes[1] < 0 || sizes[1] == KvHeads) && (sizes[3] < 0 || sizes[3] == dimension);
        if (!fits || metadata.ElementDataType != type || metadata.ElementDataType is not (TensorElementType.Float or TensorElementType.Float16))
        {
            throw new InvalidDataException(
                $"'{name}' is {metadata.ElementDataType} [{string.Join(", ", metadata.Dimensions)}]; {type} [batch, {KvHeads}, tokens, {dimension}] is wanted, as the first layer has it. Models whose layers differ are not taken.");
        }
    }

    [GeneratedRegex("[0-9]+")]
    private static partial Regex Digits();
}
