using Kvant.Attention;
using Kvant.Caching;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Compression;

/// <summary>Writes the rows of a state, a layer at a time.</summary>
internal sealed class StateCompression
{
    private readonly LlamaState _state;
    private readonly LlamaStateOptions _options;
    private readonly Stream _destination;
    private readonly IProgress<double>? _done;
    private readonly CancellationToken _cancellation;
    private readonly long _bytes;
    private long _passed;
    private byte[] _keys = [];
    private byte[] _values = [];
    private byte[] _turned = [];

    public StateCompression(LlamaState state, LlamaStateOptions options, Stream destination, IProgress<double>? done, CancellationToken cancellation)
    {
        (_state, _options, _destination, _done, _cancellation) = (state, options, destination, done, cancellation);
        _bytes = Math.Max(1, state.Length);
    }

    /// <summary>Compresses all parts. What can be refused for the whole state is, before the first byte is written.</summary>
    /// <param name="begin">Writes what comes first.</param>
    /// <exception cref="ArgumentException">The policy or the shape does not fit.</exception>
    public void Run(Action begin)
    {
        List<AttentionPart> attention = [.. _state.Parts.OfType<AttentionPart>()];
        LayerPolicy[] policies = PoliciesOf(attention);
        if (_state.Parts.OfType<RecurrentPart>().FirstOrDefault(part => part.Bytes > Array.MaxLength) is { } large)
            throw new ArgumentException($"Recurrent layers keep {large.Bytes} bytes; at most {Array.MaxLength} are possible.");
        List<SegmentCache>[][] caches = [.. attention.Select((part, number) => PlanOf(attention, number, policies[number]))];
        begin();
        using var team = new WorkerTeam(_options.Threads);
        using var pool = new PagePool();
        int next = 0;
        foreach (StatePart part in _state.Parts)
        {
            if (part is RecurrentPart recurrent)
            {
                byte[] bytes = new byte[recurrent.Bytes];
                _state.Reader.Read(recurrent.Offset, bytes);
                Frames.Write(_destination, FrameKind.Recurrent, bytes);
            }
            else if (part is AttentionPart of)
            {
                for (int s = 0; s < of.Streams.Length; s++)
                    Compress(of, of.Streams[s], caches[next][s], pool, team);
                next++;
            }
        }

        Frames.Write(_destination, FrameKind.End, []);
        _done?.Report(1);
    }

    // For each stream its segments, all checked with their codecs.
    private List<SegmentCache>[] PlanOf(List<AttentionPart> attention, int number, LayerPolicy policy)
    {
        AttentionPart part = attention[number];
        int[] floats = [.. FloatLayers(part)];
        LayerGeometry[] shapes = part.Layers.Length == 0 ? [] : RowShapes.Of(attention, number, _options.Geometry);
        foreach (LayerRows rows in part.Layers)
        {
            int most = part.Streams.Max(stream => stream.Cells.Count);
            // Rows that are kept as they are lie in one frame.
            if (most * (rows.IsFloat ? Math.Max(rows.KeyBytes, rows.ValueBytes) : rows.KeyBytes + rows.ValueBytes) > Array.MaxLength)
                throw TooMuch(most, rows);
        }

        return Array.ConvertAll(part.Streams, stream => floats.Length == 0 ? [] : Segment.Of(stream.Cells)
            .ConvertAll(segment => SegmentCache.Create(segment, [.. floats.Select(layer => shapes[layer])], new LayerPolicy(floats.Select(layer => policy[layer])), _options)));
    }

    private LayerPolicy[] PoliciesOf(List<AttentionPart> attention)
    {
        int layers = attention.Sum(part => part.Layers.Length), first = 0;
        IReadOnlyList<LayerSpecs> policy = _options.Policy;
        if (policy.Any(specs => specs.Eviction is not null && specs.Eviction != Eviction.None))
            throw new ArgumentException("The policy forgets tokens as a layer grows; a state has all of its tokens.");
        if (policy.Count != 1 && policy.Count != layers)
            throw new ArgumentException($"The policy is for {policy.Count} layers; the state has {layers}.");
        return [.. attention.Select(part =>
        {
            var own = new LayerPolicy(part.Layers.Length == 0 ? [policy[0]] : Enumerable.Range(first, part.Layers.Length).Select(layer => policy[policy.Count == 1 ? 0 : layer]));
            first += part.Layers.Length;
            return own;
        })];
    }

    internal static IEnumerable<int> FloatLayers(AttentionPart part) => Enumerable.Range(0, part.Layers.Length).Where(layer => part.Layers[layer].IsFloat);

    private void Compress(AttentionPart part, StreamPart stream, List<SegmentCache> segments, PagePool pool, WorkerTeam team)
    {
        foreach (SegmentCache segment in segments)
            Frames.Write(_destination, FrameKind.Cache, segment.HeaderBytes());
        int cells = stream.Cells.Count, number = 0;
        for (int layer = 0; layer < part.Layers.Length && cells > 0; layer++)
        {
            _cancellation.ThrowIfCancellationRequested();
            LayerRows rows = part.Layers[layer];
            Span<byte> keys = Fill(ref _keys, stream.KeyOffsets[layer], cells * rows.KeyBytes), values = Fill(ref _values, stream.ValueOffsets[layer], cells * rows.ValueBytes);
            if (!rows.IsFloat || !TryCompress(part, rows, segments, number++, keys, values, cells, pool, team))
                Frames.Write(_destination, FrameKind.Rows, cells * (rows.KeyBytes + rows.ValueBytes) <= Array.MaxLength ? (byte[])[.. keys, .. values] : throw TooMuch(cells, rows));
            _passed += keys.Length + values.Length;
            _done?.Report((double)_passed / _bytes);
        }
    }

    // Rows that a codec refuses (no numbers, or larger than it takes) are kept as they are.
    private bool TryCompress(AttentionPart part, LayerRows rows, List<SegmentCache> segments, int number, Span<byte> keys, Span<byte> values, int cells, PagePool pool, WorkerTeam team)
    {
        if (part.IsTransposed)
        {
            if (_turned.Length < values.Length)
                _turned = new byte[values.Length];
            Transposition.Turn(values, rows.ValueWidth, cells, rows.ValueType.BlockBytes, _turned);
            values = _turned.AsSpan(0, values.Length);
        }

        byte[] keyBuffer = [], valueBuffer = [];
        List<ReadOnlyMemory<byte>> layers = [];
        try
        {
            foreach (SegmentCache segment in segments)
            {
                ReadOnlySpan<byte> k = segment.Segment.Gather(keys, (int)rows.KeyBytes, ref keyBuffer), v = segment.Segment.Gather(values, (int)rows.ValueBytes, ref valueBuffer);
                layers.Add(segment.Compress(number, CacheRows.Rows(rows.KeyType, k), CacheRows.Rows(rows.ValueType, v), pool, team));
            }
        }
        catch (ArgumentException)
        {
            return false;
        }

        foreach (ReadOnlyMemory<byte> layer in layers)
            Frames.Write(_destination, FrameKind.Layer, layer.Span);
        return true;
    }

    private static ArgumentException TooMuch(int cells, LayerRows rows) =>
        new($"{cells} cells with rows of {rows.KeyBytes} and {rows.ValueBytes} bytes are more than {Array.MaxLength} bytes in a layer, the most that is possible.");

    private Span<byte> Fill(ref byte[] buffer, long offset, long length)
    {
        if (buffer.Length < length)
            buffer = new byte[length];
        _state.Reader.Read(offset, buffer.AsSpan(0, (int)length));
        return buffer.AsSpan(0, (int)length);
    }
}
