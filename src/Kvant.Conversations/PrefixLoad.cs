using System.Buffers;
using Kvant.Caching;
using Kvant.Conversations.Chunks;
using Kvant.Formats;

namespace Kvant.Conversations;

/// <summary>Loads the longest stored prefix of a sequence, once.</summary>
/// <param name="plan">Where chunks begin.</param>
/// <param name="store">Where they are.</param>
/// <param name="tokens">The sequence.</param>
internal sealed class PrefixLoad(ChunkPlan plan, SafeStore store, ReadOnlyMemory<int> tokens) : IDisposable
{
    // Bytes that are asked for at once, so that a store may answer many questions together.
    private const int BatchBytes = 8 << 20;
    private const int MostInBatch = 16;

    // Somebody may code chunks again while they are loaded; whoever does so all the time is not waited for.
    private const int MostTries = 3;

    private readonly ChunkKey[] _keys = plan.KeysOf(tokens.Span);
    private readonly List<byte[]> _rented = [];
    private readonly List<Dictionary<string, byte[]>> _sections = [];
    private readonly List<ChunkHeader.LayerEntry[]> _layers = [];
    private byte[]? _state;
    private ChunkForm[] _forms = []; // of all chunks, as far as it is known; those that are stored, as a rule
    private FormLayouts _layouts = new(plan, []);
    private bool _hasOthers; // chunks are of other forms than the cache that is being filled has room for
    private int _tries;
    private bool _lent; // a call that did not end in time may still write to the buffers

    /// <summary>Why the prefix ends where it does; null where all whole chunks were found.</summary>
    public ChunkMiss? Miss { get; private set; }

    /// <summary>Bytes that were loaded.</summary>
    public long Bytes { get; private set; }

    /// <summary>What the last chunk has beside keys and values.</summary>
    public Dictionary<string, byte[]> Sections { get; private set; } = [];

    /// <summary>How many tokens of some chunks were coded again since they were stored.</summary>
    public int RecodedTokens(int chunks) => Enumerable.Range(0, chunks).Sum(chunk => _forms[chunk].IsStored ? 0 : plan.Border(chunk + 1) - plan.Border(chunk));

    /// <summary>Loads.</summary>
    /// <returns>A cache, the caller's, and how many chunks are in it.</returns>
    public async Task<(KvCache Cache, int Chunks)> RunAsync(CancellationToken cancellation)
    {
        int chunks = await CountAsync(cancellation).ConfigureAwait(false);
        _forms = [.. Enumerable.Repeat(plan.Stored, chunks)];
        while (true)
        {
            (_layouts, _hasOthers) = (new(plan, _forms.AsSpan(0, chunks)), false);
            var cache = new KvCache(plan.Options.Cache, _layouts.Layouts);
            try
            {
                int loaded = chunks == 0 || !Reserve(cache, chunks) ? 0 : await LoadAsync(cache, chunks, cancellation).ConfigureAwait(false);
                int usable = _hasOthers ? 0 : Usable(loaded);
                if (_hasOthers)
                {
                    // Once more, into a cache that has room for what was found.
                    cache.Dispose();
                    _tries++;
                    chunks = FormLayouts.Possible(plan, _forms.AsSpan(0, loaded));
                    Miss = chunks < loaded ? ChunkMiss.OtherForm : Miss;
                }
                else if (usable < chunks && usable > 0 && plan.HasWindows)
                {
                    // Windows of a shorter sequence need rows that those of a longer one have left behind: once more, for exactly so many.
                    cache.Dispose();
                    chunks = usable;
                }
                else if (Finish(cache, usable))
                {
                    Sections = usable == 0 ? [] : _sections[usable - 1];
                    return (cache, usable);
                }
                else
                {
                    // Every checksum is right, and the bytes mean nothing all the same: somebody made them so.
                    cache.Dispose();
                    await store.RemoveAsync(_keys[..usable], cancellation).ConfigureAwait(false);
                    (chunks, Miss) = (0, ChunkMiss.Damaged);
                }
            }
            catch
            {
                cache.Dispose();
                throw;
            }
        }
    }

    /// <summary>Gives buffers back.</summary>
    public void Dispose()
    {
        foreach (byte[] buffer in _lent ? [] : _rented)
            ArrayPool<byte>.Shared.Return(buffer);
        _rented.Clear();
    }

    private async Task<int> CountAsync(CancellationToken cancellation)
    {
        if (_keys.Length == 0)
            return 0;
        (bool[] found, ChunkMiss? miss) = await store.ContainsAsync(_keys, cancellation).ConfigureAwait(false);
        int count = Array.IndexOf(found, false) is >= 0 and int first ? first : found.Length;
        if (count < _keys.Length)
            Miss = miss ?? ChunkMiss.Absent;
        return count;
    }

    private bool Reserve(KvCache cache, int chunks)
    {
        try
        {
            foreach (int layer in plan.OwnLayers)
                cache.Layers[layer].Reserve(_layouts.Extent(plan, layer, chunks), writesFront: true, cache.Scratch.Reserved);
            cache.Scratch.InstallReserved();
            foreach (int layer in plan.OwnLayers)
                cache.Layers[layer].Become(_layouts.Extent(plan, layer, chunks));
            return true;
        }
        catch (CacheFullException)
        {
            while (cache.Scratch.Reserved.TryPop(out Reservation reserved))
                cache.Pool.Return(reserved.Memory);
            Miss = ChunkMiss.NoRoom;
            return false;
        }
    }

    // Chunks that are good, one after the other, up to a number. The first that is not ends the prefix.
    private async Task<int> LoadAsync(KvCache cache, int chunks, CancellationToken cancellation)
    {
        _sections.Clear();
        _layers.Clear();
        _state = null;
        int batch = Math.Clamp(BatchBytes / plan.LargestChunk(chunks > 1 ? 1 : 0), 1, MostInBatch);
        for (int first = 0; first < chunks; first += batch)
        {
            int count = Math.Min(batch, chunks - first);
            var destinations = new Memory<byte>[count];
            for (int i = 0; i < count; i++)
                destinations[i] = Buffer(i, plan.LargestChunk(first + i));
            _lent = true;
            ChunkAnswer[] answers = await store.GetAsync(new ArraySegment<ChunkKey>(_keys, first, count), destinations, cancellation).ConfigureAwait(false);
            _lent = Array.Exists(answers, answer => answer.Miss == ChunkMiss.TimedOut);
            for (int i = 0; i < count; i++)
            {
                ChunkMiss? miss = answers[i].Miss ?? (answers[i].Length > destinations[i].Length ? ChunkMiss.TooLong : Take(cache, first + i, destinations[i].Span[..answers[i].Length]));
                if (miss is null)
                    continue;
                Miss = miss;
                // What is wrong now would be wrong again; where it is gone it can be stored anew.
                if (miss is not (ChunkMiss.Absent or ChunkMiss.TimedOut or ChunkMiss.Unreachable or ChunkMiss.OtherForm))
                    await store.RemoveAsync([_keys[first + i]], cancellation).ConfigureAwait(false);
                return first + i;
            }
        }

        return chunks;
    }

    private ChunkMiss? Take(KvCache cache, int chunk, Span<byte> value)
    {
        ChunkMiss? miss = ChunkBytes.Check(plan, chunk, _keys[chunk], chunk == 0 ? default : _keys[chunk - 1], plan.Tokens(tokens.Span, chunk), _state, value, out ChunkHeader? header);
        if (miss is not null)
            return miss;
        if (!header!.Form!.Is(_forms[chunk]))
        {
            if (_tries == MostTries)
                return ChunkMiss.OtherForm;
            (_forms[chunk], _hasOthers) = (header.Form, true);
        }

        _state ??= header.State;
        _sections.Add(ChunkBytes.NamedOf(header, value));
        _layers.Add(header.Layers);
        if (!_hasOthers)
            ChunkBytes.Load(plan, chunk, header, value, cache.Layers);
        Bytes += value.Length;
        return null;
    }

    // The most chunks, up to a number, behind which no sliding window lacks a row.
    private int Usable(int loaded)
    {
        for (int chunks = loaded; chunks > 0 && plan.HasWindows; chunks--)
        {
            bool complete = true;
            for (int i = 0; i < plan.OwnLayers.Length && complete; i++)
            {
                LayerExtent extent = _layouts.Extent(plan, plan.OwnLayers[i], chunks, FirstRow(i, chunks));
                complete = _layouts.Layouts[plan.OwnLayers[i]].IsPossible(extent);
            }

            if (complete)
                return chunks;
            Miss = ChunkMiss.Forgotten;
            loaded = chunks - 1;
        }

        return loaded;
    }

    // From which row on a layer has all rows up to the end of some chunks.
    private int FirstRow(int layer, int chunks)
    {
        int chunk = chunks - 1;
        while (chunk > 0 && _layers[chunk][layer].FirstRow == 0)
            chunk--;
        return (chunk * plan.Rows) + _layers[chunk][layer].FirstRow;
    }

    private bool Finish(KvCache cache, int chunks)
    {
        if (chunks == 0)
        {
            cache.Clear();
            return true;
        }

        try
        {
            for (int i = 0; i < plan.OwnLayers.Length; i++)
            {
                LayerMemory memory = cache.Layers[plan.OwnLayers[i]];
                memory.Become(_layouts.Extent(plan, plan.OwnLayers[i], chunks, plan.HasWindows ? FirstRow(i, chunks) : 0));
                LayerFormat.Complete(memory, cache.Scratch);
            }

            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private Memory<byte> Buffer(int index, int length)
    {
        if (index == _rented.Count)
            _rented.Add(ArrayPool<byte>.Shared.Rent(length));
        if (_rented[index].Length < length)
        {
            ArrayPool<byte>.Shared.Return(_rented[index]);
            _rented[index] = ArrayPool<byte>.Shared.Rent(length);
        }

        return _rented[index].AsMemory(0, length);
    }
}
