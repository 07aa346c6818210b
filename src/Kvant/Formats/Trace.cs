using System.Globalization;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Formats;

/// <summary>
/// A recording of what a transformer put into its key-value cache: per layer the keys (after rotary embedding), the values
/// and, optionally, the queries that attended to them. It is a safetensors file with the metadata <c>kvant.trace = 1</c>;
/// <c>docs/formats/trace.md</c> describes it. Any number of threads may read at once.
/// </summary>
public sealed class Trace : IDisposable
{
    internal const string VersionKey = "kvant.trace";
    internal const string Version = "1";
    internal const string SoftmaxScaleKey = "softmax_scale";

    /// <summary>The metadata that says which model was recorded: the SHA-256 of its file or files (<see cref="CachePolicyFile.HashOf"/>).</summary>
    public const string ModelHashKey = "kvant.model_sha256";

    /// <summary>The metadata that says which command wrote a trace; those of other programs lack it.</summary>
    public const string WriterKey = "kvant.writer";

    private readonly SafetensorsFile _file;
    private readonly TraceLayer[] _layers;

    private Trace(SafetensorsFile file, RotaryEmbedding? rotary)
    {
        _file = file;
        if (!file.Metadata.TryGetValue(VersionKey, out string? version)) throw new InvalidDataException($"{file.Path}: not a trace: the metadata '{VersionKey}' is missing");
        if (version != Version) throw new InvalidDataException($"{file.Path}: trace version {version} found, {Version} wanted");
        _layers = TraceLayer.Find(file);
        SoftmaxScale = ReadSoftmaxScale(file, KeyDimension);
        Rotary = ReadRotary(file, KeyDimension) ?? rotary;
    }

    /// <summary>The file's path as it was given.</summary>
    public string Path => _file.Path;

    /// <summary>Number of transformer layers.</summary>
    public int Layers => _layers.Length;

    /// <summary>Heads of keys and values in a layer.</summary>
    public int KvHeads => (int)_layers[0].Keys.Shape[0];

    /// <summary>Heads of queries in a layer, a multiple of <see cref="KvHeads"/>; 0 without queries.</summary>
    public int QueryHeads => (int)(_layers[0].Queries?.Shape[0] ?? 0);

    /// <summary>Number of tokens.</summary>
    public int Tokens => (int)_layers[0].Keys.Shape[1];

    /// <summary>Numbers in a key and in a query.</summary>
    public int KeyDimension => (int)_layers[0].Keys.Shape[2];

    /// <summary>Numbers in a value.</summary>
    public int ValueDimension => (int)_layers[0].Values.Shape[2];

    /// <summary>Whether the trace has queries.</summary>
    public bool HasQueries => QueryHeads > 0;

    /// <summary>Whether every number of the trace fits half precision because it is stored so.</summary>
    public bool IsHalfPrecision => Array.TrueForAll(_layers, static layer => layer.IsHalfPrecision);

    /// <summary>What a query times a key is multiplied by before softmax: the metadata <c>softmax_scale</c>, else 1 / sqrt(key dimension).</summary>
    public float SoftmaxScale { get; }

    /// <summary>How positions turned keys and queries, if the file or who opened it says so.</summary>
    public RotaryEmbedding? Rotary { get; }

    /// <summary>The hash of the model that was recorded, if the file says so: a policy that is chosen on the trace is bound to it.</summary>
    public string? ModelHash => Metadata.GetValueOrDefault(ModelHashKey);

    /// <summary>The shape of the cache that was recorded.</summary>
    public CacheGeometry Geometry => new() { Layers = Layers, KvHeads = KvHeads, KeyDimension = KeyDimension, ValueDimension = ValueDimension, Rotary = Rotary };

    /// <summary>All strings of the file's metadata.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _file.Metadata;

    /// <summary>Opens a trace and checks that its layers agree.</summary>
    /// <param name="path">The file.</param>
    /// <param name="rotary">How positions turned keys, for files that do not say; null where nobody knows.</param>
    /// <exception cref="InvalidDataException">The file is no trace, or its tensors do not agree.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static Trace Open(string path, RotaryEmbedding? rotary = null)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        try
        {
            return new Trace(file, rotary);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads all keys of one head, one token after the other.</summary>
    /// <param name="layer">0 to <see cref="Layers"/> - 1.</param>
    /// <param name="kvHead">0 to <see cref="KvHeads"/> - 1.</param>
    /// <param name="destination">Is filled: <see cref="Tokens"/> x <see cref="KeyDimension"/> numbers.</param>
    /// <exception cref="InvalidDataException">A number is not finite; the message says which.</exception>
    public void ReadKeys(int layer, int kvHead, Span<float> destination) => Read(layer, HeadKind.Key, kvHead, destination);

    /// <summary>Reads all values of one head, one token after the other.</summary>
    /// <param name="layer">0 to <see cref="Layers"/> - 1.</param>
    /// <param name="kvHead">0 to <see cref="KvHeads"/> - 1.</param>
    /// <param name="destination">Is filled: <see cref="Tokens"/> x <see cref="ValueDimension"/> numbers.</param>
    /// <exception cref="InvalidDataException">A number is not finite; the message says which.</exception>
    public void ReadValues(int layer, int kvHead, Span<float> destination) => Read(layer, HeadKind.Value, kvHead, destination);

    /// <summary>Reads all queries of one query head, one token after the other.</summary>
    /// <param name="layer">0 to <see cref="Layers"/> - 1.</param>
    /// <param name="head">0 to <see cref="QueryHeads"/> - 1; it attends to the key head <c>head / (QueryHeads / KvHeads)</c>.</param>
    /// <param name="destination">Is filled: <see cref="Tokens"/> x <see cref="KeyDimension"/> numbers.</param>
    /// <exception cref="InvalidOperationException">The trace has no queries.</exception>
    /// <exception cref="InvalidDataException">A number is not finite; the message says which.</exception>
    public void ReadQueries(int layer, int head, Span<float> destination) => Read(layer, HeadKind.Query, head, destination);

    /// <summary>Closes the file. May be called twice.</summary>
    public void Dispose() => _file.Dispose();

    internal void Read(int layer, HeadKind kind, int head, Span<float> destination)
    {
        HeadRows.RequireLength(destination.Length, Tokens, kind == HeadKind.Value ? ValueDimension : KeyDimension, nameof(destination));
        Read(layer, kind, head, 0, destination);
    }

    /// <summary>Reads some tokens of one head, as many as the destination holds.</summary>
    internal void Read(int layer, HeadKind kind, int head, int firstToken, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, Layers);
        TensorInfo tensor = kind switch
        {
            HeadKind.Key => _layers[layer].Keys,
            HeadKind.Value => _layers[layer].Values,
            _ => _layers[layer].Queries ?? throw new InvalidOperationException($"{Path} has no queries"),
        };
        ArgumentOutOfRangeException.ThrowIfNegative(head);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(head, tensor.Shape[0]);
        int dimension = (int)tensor.Shape[2];
        _file.ReadSingles(tensor, (((long)head * Tokens) + firstToken) * dimension, destination);
        HeadRows.RequireFinite(_file.Path, tensor.Name, layer, head, dimension, destination, firstToken);
    }

    private static RotaryEmbedding? ReadRotary(SafetensorsFile file, int keyDimension)
    {
        try
        {
            RotaryEmbedding? rotary = RotaryText.Read(file.Metadata);
            _ = rotary?.Speeds(keyDimension);
            return rotary;
        }
        catch (Exception refused) when (refused is FormatException or ArgumentException)
        {
            throw new InvalidDataException($"{file.Path}: {refused.Message}", refused);
        }
    }

    private static float ReadSoftmaxScale(SafetensorsFile file, int keyDimension)
    {
        if (!file.Metadata.TryGetValue(SoftmaxScaleKey, out string? text)) return 1 / MathF.Sqrt(keyDimension);
        return float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float scale) && float.IsFinite(scale) && scale > 0
            ? scale
            : throw new InvalidDataException($"{file.Path}: the metadata '{SoftmaxScaleKey}' is '{text}', a positive number is wanted");
    }
}
