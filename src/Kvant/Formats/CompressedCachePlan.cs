using System.Globalization;
using Kvant.Caching;
using Kvant.Codecs;

namespace Kvant.Formats;

/// <summary>
/// Which tensors a compressed cache file has, with their types and shapes: everything follows from the layout and the
/// codecs' geometry. Writer and reader share it, so that a reader accepts exactly what a writer would have declared.
/// </summary>
internal sealed class CompressedCachePlan
{
    private const int MaxCodecs = 64;

    private readonly Codec[] _keys;
    private readonly Codec[] _values;

    /// <exception cref="ArgumentException">The layout contradicts itself or a codec does not take the dimension.</exception>
    internal CompressedCachePlan(CompressedCacheLayout layout)
    {
        Check(layout);
        Layout = layout;
        Dictionary<(string, int, CodecRole), Codec> codecs = [];
        _keys = [.. layout.Policy.Select(specs => Create(specs.Keys, layout.Geometry.KeyDimension, CodecRole.Keys))];
        _values = [.. layout.Policy.Select(specs => Create(specs.Values, layout.Geometry.ValueDimension, CodecRole.Values))];

        // Layers mostly share their specs, and a codec may hold a large rotation.
        Codec Create(CodecSpec spec, int dimension, CodecRole role)
        {
            if (!codecs.TryGetValue((spec.FullText, dimension, role), out Codec? codec))
                codecs.Add((spec.FullText, dimension, role), codec = spec.CreateCodec(dimension, role));
            return codec;
        }
    }

    internal CompressedCacheLayout Layout { get; }

    internal Codec Codec(int layer, HeadKind kind) => kind == HeadKind.Key ? _keys[layer] : _values[layer];

    /// <summary>How many of a head's rows are in blocks; the rest is its tail.</summary>
    internal int BodyRows(int layer, HeadKind kind) => Codec(layer, kind).RowsInBlocks(Layout.Tokens);

    /// <summary>All tensors in the order in which they are written.</summary>
    internal IEnumerable<TensorDeclaration> Tensors()
    {
        CacheGeometry geometry = Layout.Geometry;
        for (int layer = 0; layer < geometry.Layers; layer++)
        {
            foreach (HeadKind kind in (HeadKind[])[HeadKind.Key, HeadKind.Value])
            {
                for (int head = 0; head < geometry.KvHeads; head++)
                {
                    foreach (TensorDeclaration tensor in HeadTensors(layer, kind, head)) yield return tensor;
                }
            }
            if (Layout.QueryHeads > 0)
                yield return new TensorDeclaration(TraceLayer.QueryName(layer), Layout.QueryElementType, Layout.QueryHeads, Layout.Tokens, geometry.KeyDimension);
        }
    }

    internal static string BlocksName(int layer, HeadKind kind, int head) =>
        string.Create(CultureInfo.InvariantCulture, $"{(kind == HeadKind.Key ? TraceLayer.KeyName(layer) : TraceLayer.ValueName(layer))}.{head}");

    internal static string StateName(int layer, HeadKind kind, int head) => BlocksName(layer, kind, head) + ".state";

    internal static string TailName(int layer, HeadKind kind, int head) => BlocksName(layer, kind, head) + ".tail";

    private IEnumerable<TensorDeclaration> HeadTensors(int layer, HeadKind kind, int head)
    {
        Codec codec = Codec(layer, kind);
        int body = BodyRows(layer, kind);
        int tail = Layout.Tokens - body;
        if (body > 0 && codec.StateBytes > 0) yield return new TensorDeclaration(StateName(layer, kind, head), ElementType.U8, codec.StateBytes);
        yield return new TensorDeclaration(BlocksName(layer, kind, head), ElementType.U8, body / codec.RowsPerBlock, codec.BytesPerBlock);
        if (tail > 0) yield return new TensorDeclaration(TailName(layer, kind, head), ElementType.F16, tail, codec.Dimension);
    }

    private static void Check(CompressedCacheLayout layout)
    {
        CacheGeometry geometry = layout.Geometry;
        Require(layout.Policy.Count == geometry.Layers, $"codecs for {layout.Policy.Count} layers; {geometry.Layers} are wanted");
        // Making a codec can take a good part of a second; a small file must not ask for thousands.
        int codecs = layout.Policy.SelectMany(l => (CodecSpec[])[l.Keys, l.Values]).Distinct().Count();
        Require(codecs <= MaxCodecs, $"{codecs} different codecs; at most {MaxCodecs} are allowed");
        Require(layout.Tokens >= 1, $"{layout.Tokens} tokens; at least 1 is wanted");
        foreach (int dimension in (ReadOnlySpan<int>)[geometry.KeyDimension, geometry.ValueDimension])
        {
            Require(dimension <= Codecs.Codec.MaxDimension, $"a dimension of {dimension}; at most {Codecs.Codec.MaxDimension} is allowed");
            Require((long)layout.Tokens * dimension <= int.MaxValue, $"{layout.Tokens} x {dimension} numbers in a head; at most {int.MaxValue} are allowed");
        }
        Require(layout.QueryHeads >= 0 && layout.QueryHeads % geometry.KvHeads == 0, $"{layout.QueryHeads} query heads; a multiple of the {geometry.KvHeads} key-value heads is wanted");
        Require(layout.QueryElementType is ElementType.F16 or ElementType.F32, $"queries of type {layout.QueryElementType}; F16 or F32 is wanted");
    }

    private static void Require(bool condition, string message)
    {
        if (!condition) throw new ArgumentException($"the layout has {message}");
    }
}
