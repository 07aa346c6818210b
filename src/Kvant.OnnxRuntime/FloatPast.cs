using Kvant.Attention;
using Kvant.Caching;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime;

/// <summary>
/// The past of some sequences as floats, for a runtime that wants all of it at once: decoded when other sequences come, and from then on only what changes. New tokens, and tokens whose
/// block was closed, are written over with what the cache decodes, so that a step always sees the past as the cache has it.
/// </summary>
internal sealed class FloatPast(PastLayout layout, bool shared, WorkerTeam team) : IPast
{
    private readonly PastBuffer[] _first = Buffers(layout);
    private readonly PastBuffer[] _second = shared ? [] : Buffers(layout);
    private readonly List<OrtValue> _values = [];
    private readonly float[]?[] _scratch = new float[team.Size][];
    private float[] _newKeys = [];
    private float[] _newValues = [];
    private bool _swapped;
    private KvCache[] _caches = [];
    private (long Changes, long Marks)[] _states = [];
    private int[] _lengths = [];
    private int[] _order = [];
    private int _longest;
    private int _next;

    public int Longest => _longest;

    public ReadOnlySpan<int> Lengths => _lengths;

    private PastBuffer[] Past => _swapped ? _second : _first;

    private PastBuffer[] Present => shared ? _first : _swapped ? _first : _second;

    public void Bind(OrtIoBinding binding, ReadOnlySpan<KvCache> caches, int tokens)
    {
        if (!Knows(caches) || (shared && _longest + tokens > _first[0].Tokens))
            DecodeAll(caches, tokens);
        Clear();
        for (int i = 0; i < Past.Length; i++)
        {
            if (!shared)
                Present[i].Resize(caches.Length, _longest + tokens);
            OrtValue past = Keep(Past[i].Value(caches.Length));
            binding.BindInput(layout.Past[i], past);
            binding.BindOutput(layout.Present[i], shared ? past : Keep(Present[i].Value(caches.Length)));
        }

        OrtValue Keep(OrtValue value)
        {
            _values.Add(value);
            return value;
        }
    }

    public void Take(int tokens)
    {
        KvCache[] caches = _caches;
        _caches = []; // known again when all is well
        Grow(ref _newKeys, tokens * layout.KvHeads * layout.KeyDimension);
        Grow(ref _newValues, tokens * layout.KvHeads * layout.ValueDimension);
        Span<float> keys = _newKeys.AsSpan(0, tokens * layout.KvHeads * layout.KeyDimension), values = _newValues.AsSpan(0, tokens * layout.KvHeads * layout.ValueDimension);
        var closed = new (int First, int End)[caches.Length, layout.Layers];
        bool ages = false;
        for (int i = 0; i < caches.Length; i++)
        {
            ages |= caches[i].Options.MemoryLimit is not null || caches[i].Options.Policy.Any(specs => specs.Ages.Count > 0);
            for (int layer = 0; layer < layout.Layers; layer++)
            {
                int first = Closed(caches[i], layer), at = Place(i) + _lengths[i];
                Present[2 * layer].Rows.CopyTokens(i, at, tokens, keys);
                Present[(2 * layer) + 1].Rows.CopyTokens(i, at, tokens, values);
                caches[i].Append(layer, keys, values, team);
                closed[i, layer] = (first, Closed(caches[i], layer));
            }
        }

        int[] before = [.. _lengths];
        // Where tokens change long after they came, all are decoded again.
        Decode(caches, Present, (i, layer) => ages ? [(0, before[i] + tokens)] : [closed[i, layer], (before[i], before[i] + tokens)], Place);
        _swapped ^= !shared;
        Note(caches);
    }

    public void Forget() => _caches = [];

    public void Dispose()
    {
        Clear();
        foreach (PastBuffer buffer in (IEnumerable<PastBuffer>)[.. _first, .. _second])
            buffer.Dispose();
    }

    private static PastBuffer[] Buffers(PastLayout layout) =>
        [.. Enumerable.Range(0, 2 * layout.Layers).Select(i => new PastBuffer(layout.IsHalf, layout.KvHeads, i % 2 == 0 ? layout.KeyDimension : layout.ValueDimension))];

    // Where tokens of a layer are that no longer lie in the window.
    private static int Closed(KvCache cache, int layer) => cache.Layers[layer].Layout.Sinks + cache.Layers[layer].Extent.BodyRows;

    // Blocks that a call coded again have other marks, which only grow.
    private static (long Changes, long Marks) StateOf(KvCache cache) => (cache.Changes, cache.Layers.Sum(layer => layer.BodyMark));

    // Shorter sequences end where the longest does, unless the runtime knows their lengths.
    private int Place(int sequence) => shared ? 0 : _longest - _lengths[sequence];

    private bool Knows(ReadOnlySpan<KvCache> caches)
    {
        if (!caches.SequenceEqual(_caches))
            return false;
        for (int i = 0; i < caches.Length; i++)
        {
            if (StateOf(caches[i]) != _states[i])
                return false;
        }

        return true;
    }

    private void Note(KvCache[] caches)
    {
        (_caches, _states, _lengths) = (caches, [.. caches.Select(StateOf)], [.. caches.Select(cache => cache.Length)]);
        _longest = _lengths.Max();
    }

    private void DecodeAll(ReadOnlySpan<KvCache> caches, int tokens)
    {
        Note(caches.ToArray());
        foreach (PastBuffer buffer in Past)
            buffer.Resize(caches.Length, shared ? (_longest + tokens + 511) / 256 * 256 : _longest);
        for (int i = 0; i < caches.Length; i++)
        {
            for (int head = 0; head < layout.KvHeads; head++)
            {
                foreach (PastBuffer buffer in Past)
                    buffer.Rows.Clear(i, head, 0, Place(i));
            }
        }

        int[] lengths = _lengths;
        Decode(_caches, Past, (i, _) => [(0, lengths[i])], Place);
    }

    // Heads of all layers and sequences are shared out over the threads.
    private void Decode(KvCache[] caches, PastBuffer[] target, Func<int, int, (int First, int End)[]> rows, Func<int, int> place)
    {
        _next = -1;
        ReadLocks.Enter(caches, ref _order);
        try
        {
            team.Run(worker =>
            {
                int count = caches.Length * layout.Layers * layout.KvHeads;
                for (int item; (item = Interlocked.Increment(ref _next)) < count;)
                {
                    int i = item / layout.KvHeads / layout.Layers, layer = item / layout.KvHeads % layout.Layers, head = item % layout.KvHeads;
                    foreach ((int first, int end) in rows(i, layer))
                    {
                        for (int side = 0; side < 2 && end > first; side++)
                            target[(2 * layer) + side].Rows.Decode(caches[i].Layers[layer], side, i, head, first, end - first, place(i), ref _scratch[worker]);
                    }
                }
            });
        }
        finally
        {
            foreach (KvCache cache in caches)
                cache.ExitRead();
        }
    }

    private void Clear()
    {
        foreach (OrtValue value in _values)
            value.Dispose();
        _values.Clear();
    }

    private static void Grow(ref float[] buffer, int length)
    {
        if (buffer.Length < length)
            buffer = new float[length];
    }
}
