using Kvant.Attention;
using Kvant.Caching;
using Kvant.OnnxRuntime.Native;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime.Layers;

/// <summary>
/// The past of some sequences, decoded in the middle of a run: each layer's when the layer is computed, into memory that the next layer gets as well. New rows go into the caches there and then.
/// </summary>
/// <param name="layout">The past.</param>
/// <param name="shared">Whether past and present are one buffer, that of all layers; shorter sequences are filled up behind their tokens then, else before them.</param>
/// <param name="threads">How many threads decode and encode, of the runtime's own.</param>
internal sealed class LayerPast(PastLayout layout, bool shared, int threads) : IPast
{
    // Tokens that a thread decodes at a time.
    private const int Piece = 512;

    private readonly Lock _calls = new();
    private readonly PastBuffer[] _buffers = [new(layout.IsHalf, layout.KvHeads, layout.KeyDimension), new(layout.IsHalf, layout.KvHeads, layout.ValueDimension)];
    private readonly OrtValue?[] _values = new OrtValue?[2];
    private readonly float[][] _new = [[], []];
    private int[] _asked = [];
    private readonly float[]?[] _scratch = new float[threads][];
    private KvCache[] _caches = [];
    private int[] _lengths = [];
    private int[] _order = [];
    private int _tokens;
    private int _next;
    private int _arrived;

    public int Longest { get; private set; }

    public ReadOnlySpan<int> Lengths => _lengths;

    /// <summary>What the changed graph calls.</summary>
    public GraphOperation[] Operations() =>
    [
        new(LayerGraph.Join, inputs: 1, outputs: 1, layout.IsHalf, (place, call) => Locked(() => Join(place, call))),
        new(LayerGraph.Give, inputs: 2, outputs: 1, layout.IsHalf, (place, call) => Locked(() => Give(place, call)), writesInput: true),
        new(LayerGraph.Take, inputs: 3, outputs: 1, layout.IsHalf, (layer, call) => Locked(() => Take(layer, call))),
    ];

    /// <summary>Notes what the changed graph asks for.</summary>
    public void Look(InferenceSession session) => _asked = [.. Enumerable.Range(0, layout.Past.Count).Where(place => session.InputMetadata.ContainsKey(layout.Past[place]))];

    public void Bind(OrtIoBinding binding, ReadOnlySpan<KvCache> caches, int tokens)
    {
        (_caches, _tokens, _arrived) = (caches.ToArray(), tokens, -1);
        _lengths = [.. _caches.Select(cache => cache.Length)];
        Longest = _lengths.Max();
        Clear();
        // The same memory for all layers; what only asks for its shape does not read it, and what nobody writes to takes no room.
        for (int side = 0; side < 2; side++)
        {
            _buffers[side].Resize(caches.Length, shared ? (Longest + tokens + 255) / 256 * 256 : Longest);
            _values[side] = _buffers[side].Value(caches.Length);
        }

        foreach (int place in _asked)
            binding.BindInput(layout.Past[place], _values[place % 2]);
        for (int place = 0; shared && place < layout.Present.Count; place++)
            binding.BindOutput(layout.Present[place], _values[place % 2]);
    }

    public void Take(int tokens) => Forget();

    public void Forget() => _caches = [];

    public void Dispose()
    {
        Clear();
        foreach (PastBuffer buffer in _buffers)
            buffer.Dispose();
    }

    // A session that computes several operations at once may call from several threads.
    private void Locked(Action work)
    {
        lock (_calls)
            work();
    }

    private int Dimension(int place) => place % 2 == 0 ? layout.KeyDimension : layout.ValueDimension;

    private int Place(int sequence) => shared ? 0 : Longest - _lengths[sequence];

    private void Join(int place, GraphCall call)
    {
        Require(call, 0, place, _tokens);
        PastRows rows = Rows(call.InputData(0), place, _tokens);
        PastRows all = Rows(call.OutputData(0, _caches.Length, layout.KvHeads, Longest + _tokens, Dimension(place)), place, Longest + _tokens);
        Decode(place, all, call);
        for (int i = 0; i < _caches.Length; i++)
        {
            for (int head = 0; head < layout.KvHeads; head++)
                rows.CopyTo(all, i, head, Longest, _tokens);
        }

        Keep(place, rows, _ => 0);
        // Keys and values come in any order.
        if (_arrived < 0)
            _arrived = place;
        else if (_arrived == (place ^ 1))
            Append(place / 2, call);
        else
            throw new InvalidOperationException($"'{layout.Past[place]}' is asked for before layer {_arrived / 2} is done.");
    }

    private void Give(int place, GraphCall call)
    {
        int tokens = Tokens(call, 1, place, Longest);
        Decode(place, Rows(call.OutputData(0, call.Shape(1)), place, tokens), call);
    }

    private unsafe void Take(int layer, GraphCall call)
    {
        for (int side = 0; side < 2; side++)
        {
            int place = (2 * layer) + side, tokens = Tokens(call, 1 + side, place, Longest + _tokens);
            Keep(place, Rows(call.InputData(1 + side), place, tokens), i => Place(i) + _lengths[i]);
        }

        Append(layer, call);
        long[] shape = call.Shape(0);
        int bytes = checked((int)GraphCall.Count(shape) * (layout.IsHalf ? sizeof(Half) : sizeof(float)));
        new ReadOnlySpan<byte>((void*)call.InputData(0), bytes).CopyTo(new((void*)call.OutputData(0, shape), bytes));
    }

    private PastRows Rows(nint memory, int place, int tokens) => new(memory, layout.IsHalf, layout.KvHeads, tokens, Dimension(place));

    // How many tokens there are, at least so many.
    private int Tokens(GraphCall call, int input, int place, int least)
    {
        int tokens = call.Shape(input) is [_, _, long there, _] ? (int)Math.Max(there, least) : least;
        Require(call, input, place, tokens);
        return tokens;
    }

    // What a graph says of its heads is compared with what comes.
    private void Require(GraphCall call, int input, int place, int tokens)
    {
        long[] shape = call.Shape(input), wanted = [_caches.Length, layout.KvHeads, tokens, Dimension(place)];
        if (!shape.AsSpan().SequenceEqual(wanted))
            throw new InvalidOperationException($"The rows behind '{layout.Past[place]}' are [{string.Join(", ", shape)}]; [{string.Join(", ", wanted)}] is wanted.");
    }

    // The tokens before the step; heads and pieces are shared out over the threads.
    private void Decode(int place, PastRows rows, GraphCall call)
    {
        int layer = place / 2, pieces = (Longest + Piece - 1) / Piece;
        _next = -1;
        ReadLocks.Enter(_caches, ref _order);
        try
        {
            new GraphCrew(call, threads).Run(Work, alone: Longest < Piece);
        }
        finally
        {
            foreach (KvCache cache in _caches)
                cache.ExitRead();
        }

        void Work(int worker)
        {
            for (int item; (item = Interlocked.Increment(ref _next)) < _caches.Length * layout.KvHeads * pieces;)
            {
                int i = item / pieces / layout.KvHeads, head = item / pieces % layout.KvHeads, piece = item % pieces;
                LayerMemory memory = _caches[i].Layers[layer];
                // Blocks are counted from behind the sinks.
                int first = piece == 0 ? 0 : Math.Min(_lengths[i], memory.Layout.Sinks + (piece * Piece)), end = piece == pieces - 1 ? _lengths[i] : Math.Min(_lengths[i], memory.Layout.Sinks + ((piece + 1) * Piece));
                if (end > first)
                    rows.Decode(memory, place % 2, i, head, first, end - first, Place(i), ref _scratch[worker]);
                if (piece == 0)
                    rows.Clear(i, head, shared ? _lengths[i] : 0, Longest - _lengths[i]);
            }
        }
    }

    private void Keep(int place, PastRows rows, Func<int, int> first)
    {
        int numbers = _tokens * layout.KvHeads * Dimension(place);
        ref float[] kept = ref _new[place % 2];
        if (kept.Length < _caches.Length * numbers)
            kept = new float[_caches.Length * numbers];
        for (int i = 0; i < _caches.Length; i++)
            rows.CopyTokens(i, first(i), _tokens, kept.AsSpan(i * numbers, numbers));
    }

    private void Append(int layer, GraphCall call)
    {
        _arrived = -1;
        int keys = _tokens * layout.KvHeads * layout.KeyDimension, values = _tokens * layout.KvHeads * layout.ValueDimension;
        for (int i = 0; i < _caches.Length; i++)
            _caches[i].Append(layer, _new[0].AsSpan(i * keys, keys), _new[1].AsSpan(i * values, values), new GraphCrew(call, threads));
    }

    private void Clear()
    {
        foreach (OrtValue? value in _values)
            value?.Dispose();
    }
}
