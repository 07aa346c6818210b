using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Kernels;
using Kvant.Models.Gguf;
using Kvant.Models.Weights;

namespace Kvant.Models.Decoding;

/// <summary>
/// A transformer of the families llama (Llama, Mistral, SmolLM), qwen2, qwen3, qwen3moe, phi3 and gemma3, as it lies in a GGUF file. Weights stay in the file, mapped
/// into memory. Any number of decoders may use one model at once; close it after them.
/// </summary>
public sealed class LanguageModel : IDisposable
{
    private readonly Lazy<CacheIdentity> _identity;

    private LanguageModel(GgufFile file, int? context)
    {
        File = file;
        _identity = new Lazy<CacheIdentity>(() => ModelIdentity.Of(this));
        Config = ModelConfig.Read(file);
        Config = Config with { ContextLength = Math.Min(context ?? int.MaxValue, Config.ContextLength) };
        Architecture = Architecture.Find(Config.Architecture)!;
        TensorSet tensors = new(file);
        Embedding = tensors.Matrix("token_embd.weight", Config.Width);
        VocabularySize = Embedding.Rows;
        OutputNorm = tensors.Vector("output_norm.weight", Config.Width);
        // Small models say tokens with the matrix that reads them.
        Output = tensors.Has("output.weight") ? tensors.Matrix("output.weight", Config.Width, VocabularySize) : Embedding;
        Turns = RopeTurns.Read(tensors, Config, Architecture);
        WindowTurns = RopeTurns.OfWindows(Config, Architecture);
        CacheGeometry = new()
        {
            Layers = Config.Layers,
            KvHeads = Config.KeyValueHeads,
            QueryHeads = Config.QueryHeads,
            KeyDimension = Config.HeadDimension,
            ValueDimension = Config.HeadDimension,
            Rotary = Turns.Embedding,
        };
        // A hostile count of layers ends at the first that has no tensors.
        List<LayerWeights> layers = [];
        for (int layer = 0; layer < Config.Layers; layer++) layers.Add(LayerWeights.Read(tensors, Config, Architecture, layer));
        Layers = [.. layers];
        CacheGeometry = CacheGeometry.WithLayers((layer, shape) => shape with { SlidingWindow = Config.WindowOf(layer), Rotary = TurnsOf(layer).Embedding });
        tensors.CheckNoneIsLeft(Config.Architecture);
        LongestRow = Layers.SelectMany(static l => l.Projections).Max(static p => p.Matrix.Columns);
    }

    /// <summary>The file: metadata and tokenizer are read from it.</summary>
    public GgufFile File { get; }

    /// <summary>The sizes.</summary>
    public ModelConfig Config { get; }

    /// <summary>How many tokens the model knows, and so how many logits it gives.</summary>
    public int VocabularySize { get; }

    /// <summary>What this model's keys and values belong to: a hash of all weights, and how positions enter. Asking for it the first time reads the
    /// whole file.</summary>
    public CacheIdentity Identity => _identity.Value;

    /// <summary>The shape of a cache for this model, and how its positions turn keys.</summary>
    public CacheGeometry CacheGeometry { get; }

    internal Architecture Architecture { get; }

    internal WeightMatrix Embedding { get; }

    internal IReadOnlyList<LayerWeights> Layers { get; }

    internal float[] OutputNorm { get; }

    internal WeightMatrix Output { get; }

    /// <summary>How positions turn what layers see that see everything, and others, too, unless those turn it in their own way.</summary>
    internal RopeTurns Turns { get; }

    internal RopeTurns? WindowTurns { get; }

    internal RopeTurns TurnsOf(int layer) => Config.IsLocal(layer) ? WindowTurns ?? Turns : Turns;

    internal int LongestRow { get; }

    /// <summary>Opens a model and checks that it is whole: every tensor that it needs, in the right shape, and none besides.</summary>
    /// <param name="path">The file, or any part of a split one.</param>
    /// <param name="context">How many tokens are to be read at most: 1 or more; the model's context unless said, and where that is less. Models with factors for short contexts
    /// and for long ones (LongRoPE) take the short ones where these are enough.</param>
    /// <exception cref="InvalidDataException">The file is no valid GGUF file, or no model that the decoder can run; the message says why.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The context is less than 1.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static LanguageModel Open(string path, int? context = null)
    {
        if (context is { } tokens) ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1, nameof(context));
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new LanguageModel(file, context);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Copies the weights that are stored in small integers into memory, several rows beside each other, as many as the processor's registers
    /// have lanes. <see cref="Arithmetic.Fast"/> reads the copy from then on and gives the same numbers sooner, up to the order in which floats are
    /// added; what is gained: docs/performance.md. Call it before tokens are decoded, not meanwhile. A second call does nothing.</summary>
    /// <param name="threads">How many threads copy: 1 or more.</param>
    /// <returns>Bytes of the copy, which come on top of the file that is mapped; 0 for a model of floats.</returns>
    /// <exception cref="OutOfMemoryException">There is no memory for it; what was copied until then stays in use.</exception>
    public long CopyWeights(int threads = 1)
    {
        using WorkerTeam team = new(threads);
        WeightMatrix[] matrices = [.. Layers.SelectMany(static l => l.Projections).Select(static p => p.Matrix), Output];
        foreach (WeightMatrix matrix in matrices) matrix.MakeBundle(team, SimdSupport.Widest);
        return matrices.Sum(static m => m.Bundle?.Bytes ?? 0);
    }

    /// <summary>How a cache for this model stores: its shape and identity, and codecs of the caller's choice.</summary>
    /// <param name="policy">One entry per layer.</param>
    public KvCacheOptions CacheOptions(IReadOnlyList<LayerSpecs> policy) => new() { Geometry = CacheGeometry, Policy = policy, Identity = Identity };

    /// <summary>How a cache for this model stores, by what a user says: the name of a preset (<see cref="CachePreset"/>), steps by age (<see cref="LayerSpecs.FromText"/>), or a policy file of <c>kvant tune</c>, which must be one for this model.</summary>
    /// <param name="policy">What the user said.</param>
    /// <exception cref="ArgumentException">It is neither a preset nor a file, or does not fit the model.</exception>
    /// <exception cref="FormatException">Steps by age are not understood.</exception>
    /// <exception cref="InvalidDataException">The file is no policy, or one for another model.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public KvCacheOptions CacheOptions(string policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return PolicyText.Load(policy, CacheGeometry, PolicySource).CreateOptions() with { Geometry = CacheGeometry, Identity = Identity };
    }

    /// <summary>What policy files are bound to.</summary>
    internal PolicySource PolicySource => new(File.Path, () => CachePolicyFile.HashOf([.. File.Paths]));

    /// <summary>Closes the file.</summary>
    public void Dispose() => File.Dispose();
}
