using Kvant.Attention;
using Kvant.Caching;
using Kvant.Models.Decoding;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime;

/// <summary>
/// An exported decoder whose past lies in compressed caches: tokens in, logits out. Caches are the caller's, one for each sequence: fork, cut, freeze or store them between calls.
/// </summary>
/// <remarks>
/// <para>A cache is of <see cref="Geometry"/>, and its tokens came through this model. Where a call fails, caches are cut to the length that they had.</para>
/// <para>One call at a time; a second one is refused.</para>
/// </remarks>
public abstract class OnnxDecoder : IDisposable
{
    private readonly Lazy<CacheIdentity?> _identity;
    private Turn _turn;

    private protected OnnxDecoder(CacheGeometry geometry, int vocabularySize, OnnxDecoderOptions options, string? path)
    {
        (Geometry, VocabularySize, Options) = (geometry, vocabularySize, options);
        _identity = new(() => path is null ? null : ModelFiles.IdentityOf(path));
        Team = new WorkerTeam(options.Threads);
    }

    /// <summary>The shape of caches.</summary>
    public CacheGeometry Geometry { get; }

    /// <summary>Logits of a token.</summary>
    public int VocabularySize { get; }

    /// <summary>What keys and values of this model belong to: a hash of its files; null where a session was given instead of a file. Asking for it the first time reads them.</summary>
    public CacheIdentity? Identity => _identity.Value;

    /// <summary>How it runs.</summary>
    public OnnxDecoderOptions Options { get; }

    /// <summary>The threads of this side.</summary>
    private protected WorkerTeam Team { get; }

    /// <summary>How a cache for this model stores; <see cref="Identity"/> is not said there, since asking for it reads the files.</summary>
    /// <param name="policy">A preset (<see cref="CachePreset"/>), steps by age (<see cref="LayerSpecs.FromText"/>), or a policy file of <c>kvant tune</c>.</param>
    /// <exception cref="ArgumentException">It is neither a preset nor a file, or does not fit the model.</exception>
    /// <exception cref="FormatException">Steps by age are not understood.</exception>
    /// <exception cref="InvalidDataException">The file is no policy, or one for caches of another shape.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public KvCacheOptions CacheOptions(string policy = "balanced")
    {
        ArgumentNullException.ThrowIfNull(policy);
        return PolicyText.Load(policy, Geometry, source: null).CreateOptions() with { Geometry = Geometry };
    }

    /// <summary>Reads tokens of a sequence, chunk by chunk, and says what may come next.</summary>
    /// <param name="cache">The sequence; tokens go behind what it holds.</param>
    /// <param name="tokens">At least one.</param>
    /// <param name="logits">Receives <see cref="VocabularySize"/> numbers, those behind the last token; empty where nobody wants them.</param>
    /// <param name="cancellation">Ends the reading between two chunks; what was read till then stays.</param>
    /// <exception cref="ArgumentException">There are no tokens, one is negative or none of the model's, the logits have another length, or the cache is not of <see cref="Geometry"/>.</exception>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime failed.</exception>
    /// <exception cref="InvalidOperationException">Another call is in progress.</exception>
    public void Forward(KvCache cache, ReadOnlySpan<int> tokens, Span<float> logits, CancellationToken cancellation = default)
    {
        using Turn.Taken turn = _turn.Take(this);
        Check([cache], tokens, logits.Length is 0 ? 0 : 1, logits.Length);
        for (int done = 0; done < tokens.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(Options.Chunk, tokens.Length - done);
            RunWhole([cache], tokens.Slice(done, count), done + count == tokens.Length ? logits : []);
            done += count;
        }
    }

    /// <summary>Gives the next token of many sequences to the model in one run.</summary>
    /// <param name="caches">A cache for each sequence, each another one; they may be of different lengths.</param>
    /// <param name="tokens">A token for each.</param>
    /// <param name="logits">Receives sequences x <see cref="VocabularySize"/>.</param>
    /// <exception cref="ArgumentException">As for one sequence, or there is not one token for each cache.</exception>
    /// <exception cref="OnnxRuntimeException">ONNX Runtime failed.</exception>
    /// <exception cref="InvalidOperationException">Another call is in progress.</exception>
    public void Forward(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Span<float> logits)
    {
        using Turn.Taken turn = _turn.Take(this);
        if (caches.Length != tokens.Length)
            throw new ArgumentException($"There are {tokens.Length} tokens for {caches.Length} sequences; one each is wanted.", nameof(tokens));
        Check(caches, tokens, caches.Length, logits.Length);
        RunWhole(caches, tokens, logits);
    }

    /// <summary>Ends the session, if it was opened here, and the threads. Caches stay. Twice is fine.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends what a derived class holds.</summary>
    /// <param name="disposing">True.</param>
    protected virtual void Dispose(bool disposing) => Team.Dispose();

    /// <summary>Runs the model: equally many tokens for each sequence, whose keys and values are in the caches afterwards.</summary>
    private protected abstract void Run(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Span<float> logits);

    /// <summary>Whether caches of a shape can be used.</summary>
    private protected virtual bool Takes(CacheGeometry geometry) => geometry.StoresLike(Geometry);

    private void RunWhole(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, Span<float> logits)
    {
        Span<int> lengths = stackalloc int[Math.Min(caches.Length, 256)];
        lengths = caches.Length > lengths.Length ? new int[caches.Length] : lengths;
        for (int i = 0; i < caches.Length; i++)
            lengths[i] = caches[i].Length;
        try
        {
            Run(caches, tokens, logits);
        }
        catch
        {
            for (int i = 0; i < caches.Length; i++)
                caches[i].Truncate(lengths[i]);
            throw;
        }
    }

    private void Check(ReadOnlySpan<KvCache> caches, ReadOnlySpan<int> tokens, int rows, int logits)
    {
        if (tokens.IsEmpty)
            throw new ArgumentException("There is no token; at least one is wanted.", nameof(tokens));
        if (logits != (long)rows * VocabularySize)
            throw new ArgumentException($"There is room for {logits} logits; {rows} x {VocabularySize} are wanted.", nameof(logits));
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)VocabularySize)
                throw new ArgumentOutOfRangeException(nameof(tokens), token, $"A token is {token}; there are 0 to {VocabularySize - 1}.");
        }

        for (int i = 0; i < caches.Length; i++)
        {
            KvCache cache = caches[i] ?? throw new ArgumentNullException(nameof(caches));
            if (!Takes(cache.Geometry))
                throw new ArgumentException($"The cache is of {cache.Geometry}; the model's is of {Geometry}.", nameof(caches));
            if (caches[..i].Contains(cache))
                throw new ArgumentException($"Sequence {i} has the cache of an earlier one; each needs its own.", nameof(caches));
            for (int layer = 1; layer < Geometry.Layers; layer++)
            {
                if (cache.LayerLength(layer) != cache.LayerLength(0))
                    throw new ArgumentException($"Layer {layer} of a cache holds {cache.LayerLength(layer)} tokens, layer 0 {cache.LayerLength(0)}; cut it to the least.", nameof(caches));
            }
        }
    }
}
