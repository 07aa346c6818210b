using Kvant.Attention;
using Kvant.Caching;
using Kvant.OnnxRuntime.Native;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>What stands in the place of a graph's attention: appends new keys and values to the caches of a run and attends to their codes.</summary>
internal sealed class CutAttention(IReadOnlyList<AttentionCut> cuts, CacheGeometry geometry, WorkerTeam team) : IDisposable
{
    private readonly CacheAttention _attention = new(geometry, [.. cuts.Select(cut => new AttentionSettings { Scale = cut.Scale, SoftCap = cut.SoftCap })], team);
    private KvCache[] _caches = [];
    private float[] _queries = [];
    private float[] _keys = [];
    private float[] _values = [];
    private float[] _outputs = [];

    /// <summary>The sequences of the next run.</summary>
    public void Begin(ReadOnlySpan<KvCache> caches) => _caches = caches.ToArray();

    /// <summary>Attends in a layer.</summary>
    public void Attend(int layer, GraphCall call)
    {
        AttentionCut cut = cuts[layer];
        LayerGeometry of = geometry[layer];
        int heads = of.QueryHeads, queryWidth = heads * of.KeyDimension, keyWidth = of.KvHeads * of.KeyDimension, valueWidth = of.KvHeads * of.ValueDimension, outputWidth = heads * of.ValueDimension;
        long[] shape = call.Shape(0);
        int batch = (int)shape[0], tokens = (int)shape[cut.HeadsFirst ? 2 : 1];
        if (batch != _caches.Length)
            throw new InvalidOperationException($"Layer {layer} got {batch} sequences; the run has {_caches.Length}.");
        ReadOnlySpan<float> queries, keys, values;
        if (cut.IsPacked)
        {
            ReadOnlySpan<float> all = call.Input(0, (long)batch * tokens * (queryWidth + keyWidth + valueWidth));
            queries = Part(all, batch * tokens, 0, queryWidth, queryWidth + keyWidth + valueWidth, ref _queries);
            keys = Part(all, batch * tokens, queryWidth, keyWidth, queryWidth + keyWidth + valueWidth, ref _keys);
            values = Part(all, batch * tokens, queryWidth + keyWidth, valueWidth, queryWidth + keyWidth + valueWidth, ref _values);
        }
        else
        {
            queries = TokensFirst(cut, call.Input(0, (long)batch * tokens * queryWidth), batch, heads, tokens, of.KeyDimension, ref _queries);
            keys = TokensFirst(cut, call.Input(1, (long)batch * tokens * keyWidth), batch, of.KvHeads, tokens, of.KeyDimension, ref _keys);
            values = TokensFirst(cut, call.Input(2, (long)batch * tokens * valueWidth), batch, of.KvHeads, tokens, of.ValueDimension, ref _values);
        }

        if (cut.Turns)
        {
            long[] table = call.Shape(3);
            ReadOnlySpan<float> cosines = call.Input(3, table[0] * table[1]), sines = call.Input(4, table[0] * table[1]);
            queries = Turn(cut, queries, batch, heads, layer, cosines, sines, (int)table[1], ref _queries);
            keys = Turn(cut, keys, batch, of.KvHeads, layer, cosines, sines, (int)table[1], ref _keys);
        }

        Span<float> result = cut.HeadsFirst ? call.Output(0, batch, heads, tokens, of.ValueDimension) : call.Output(0, batch, tokens, outputWidth);
        bool inPlace = !cut.HeadsFirst || tokens == 1;
        Span<float> outputs = inPlace ? result : Sized(ref _outputs, batch * tokens * outputWidth);
        for (int i = 0; i < batch; i++)
        {
            ReadOnlySpan<float> newKeys = keys.Slice(i * tokens * keyWidth, tokens * keyWidth), newValues = values.Slice(i * tokens * valueWidth, tokens * valueWidth);
            if (tokens == 1)
                _caches[i].Append(layer, newKeys, newValues);
            else
                _attention.Prefill(_caches[i], layer, queries.Slice(i * tokens * queryWidth, tokens * queryWidth), newKeys, newValues, outputs.Slice(i * tokens * outputWidth, tokens * outputWidth));
        }

        if (tokens == 1)
            _attention.Decode(_caches, layer, queries, outputs);
        if (!inPlace)
            Transpose(outputs, result, batch, tokens, heads, of.ValueDimension);
    }

    public void Dispose() => _attention.Dispose();

    private static Span<float> Sized(ref float[] buffer, int length)
    {
        if (buffer.Length < length)
            buffer = new float[length];
        return buffer.AsSpan(0, length);
    }

    // Some numbers of each row.
    private static Span<float> Part(ReadOnlySpan<float> all, int rows, int first, int width, int stride, ref float[] buffer)
    {
        Span<float> part = Sized(ref buffer, rows * width);
        for (int row = 0; row < rows; row++)
            all.Slice((row * stride) + first, width).CopyTo(part[(row * width)..]);
        return part;
    }

    private static ReadOnlySpan<float> TokensFirst(AttentionCut cut, ReadOnlySpan<float> numbers, int batch, int heads, int tokens, int dimension, ref float[] buffer)
    {
        if (!cut.HeadsFirst || tokens == 1)
            return numbers;
        Span<float> turned = Sized(ref buffer, numbers.Length);
        Transpose(numbers, turned, batch, heads, tokens, dimension);
        return turned;
    }

    // [batch, a, b, number] to [batch, b, a, number].
    private static void Transpose(ReadOnlySpan<float> from, Span<float> to, int batch, int a, int b, int width)
    {
        for (int i = 0; i < batch; i++)
        {
            for (int x = 0; x < a; x++)
            {
                for (int y = 0; y < b; y++)
                    from.Slice(((((i * a) + x) * b) + y) * width, width).CopyTo(to.Slice(((((i * b) + y) * a) + x) * width, width));
            }
        }
    }

    private ReadOnlySpan<float> Turn(AttentionCut cut, ReadOnlySpan<float> rows, int batch, int heads, int layer, ReadOnlySpan<float> cosines, ReadOnlySpan<float> sines, int pairs, ref float[] buffer)
    {
        Span<float> turned = Sized(ref buffer, rows.Length);
        if (!rows.Overlaps(turned))
            rows.CopyTo(turned);
        int dimension = geometry[layer].KeyDimension, tokens = rows.Length / batch / heads / dimension;
        (int step, int distance) = cut.Interleaved ? (2, 1) : (1, pairs);
        for (int i = 0; i < batch; i++)
        {
            for (int t = 0; t < tokens; t++)
            {
                int position = _caches[i].LayerLength(layer) + t;
                if ((position + 1) * pairs > cosines.Length)
                    throw new InvalidOperationException($"The model's tables turn {cosines.Length / pairs} positions; this is position {position}.");
                ReadOnlySpan<float> cosine = cosines.Slice(position * pairs, pairs), sine = sines.Slice(position * pairs, pairs);
                for (int head = 0; head < heads; head++)
                {
                    Span<float> row = turned.Slice(((((i * tokens) + t) * heads) + head) * dimension, dimension);
                    for (int pair = 0; pair < pairs; pair++)
                    {
                        float a = row[pair * step], b = row[(pair * step) + distance];
                        row[pair * step] = (a * cosine[pair]) - (b * sine[pair]);
                        row[(pair * step) + distance] = (a * sine[pair]) + (b * cosine[pair]);
                    }
                }
            }
        }

        return turned;
    }
}
