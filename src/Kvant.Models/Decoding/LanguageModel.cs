using Kvant.Caching;
using Kvant.Models.Gguf;
using Kvant.Models.Weights;

namespace Kvant.Models.Decoding;

/// <summary>
/// A transformer of the families llama (Llama, Mistral, SmolLM), qwen2 and qwen3, as it lies in a GGUF file. Weights stay in the file, mapped
/// into memory. Any number of decoders may use one model at once; close it after them.
/// </summary>
public sealed class LanguageModel : IDisposable
{
    private readonly Lazy<CacheIdentity> _identity;

    private LanguageModel(GgufFile file)
    {
        File = file;
        _identity = new Lazy<CacheIdentity>(() => ModelIdentity.Of(this));
        Config = ModelConfig.Read(file);
        Architecture = Architecture.Find(Config.Architecture)!;
        TensorSet tensors = new(file);
        Embedding = tensors.Matrix("token_embd.weight", Config.Width);
        VocabularySize = Embedding.Rows;
        OutputNorm = tensors.Vector("output_norm.weight", Config.Width);
        // Small models say tokens with the matrix that reads them.
        Output = tensors.Has("output.weight") ? tensors.Matrix("output.weight", Config.Width, VocabularySize) : Embedding;
        Turns = new RopeTurns(Config, Architecture.RotatesHalves, Config.RopeBase, Config.Scaling, tensors.FactorsIf(tensors.Has("rope_freqs.weight"), "rope_freqs.weight", Config.HeadDimension / 2));
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
        for (int layer = 0; layer < Config.Layers; layer++) layers.Add(ReadLayer(tensors, $"blk.{layer}."));
        Layers = [.. layers];
        tensors.CheckNoneIsLeft(Config.Architecture);
        LongestRow = Layers.SelectMany(static l => new[] { l.Query, l.Output, l.Down }).Max(static p => p.Matrix.Columns);
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

    internal RopeTurns Turns { get; }

    internal int LongestRow { get; }

    /// <summary>Opens a model and checks that it is whole: every tensor that it needs, in the right shape, and none besides.</summary>
    /// <exception cref="InvalidDataException">The file is no valid GGUF file, or no model that the decoder can run; the message says why.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static LanguageModel Open(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            return new LanguageModel(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>How a cache for this model stores: its shape and identity, and codecs of the caller's choice.</summary>
    /// <param name="policy">One entry per layer.</param>
    public KvCacheOptions CacheOptions(IReadOnlyList<LayerSpecs> policy) => new() { Geometry = CacheGeometry, Policy = policy, Identity = Identity };

    /// <summary>Closes the file.</summary>
    public void Dispose() => File.Dispose();

    private LayerWeights ReadLayer(TensorSet tensors, string prefix)
    {
        int width = Config.Width, inner = Config.FeedForward, dimension = Config.HeadDimension;
        // Sizes come from a file: their products may be too large for a row count, which no tensor can then have.
        int queries = checked((int)Math.Min((long)Config.QueryHeads * dimension, int.MaxValue)), keys = queries / (Config.QueryHeads / Config.KeyValueHeads);
        return new LayerWeights
        {
            AttentionNorm = tensors.Vector(prefix + "attn_norm.weight", width),
            Query = tensors.Projection(prefix + "attn_q", width, queries, Architecture.HasAttentionBias),
            Key = tensors.Projection(prefix + "attn_k", width, keys, Architecture.HasAttentionBias),
            Value = tensors.Projection(prefix + "attn_v", width, keys, Architecture.HasAttentionBias),
            QueryNorm = tensors.VectorIf(Architecture.NormalizesHeads, prefix + "attn_q_norm.weight", dimension),
            KeyNorm = tensors.VectorIf(Architecture.NormalizesHeads, prefix + "attn_k_norm.weight", dimension),
            Output = tensors.Projection(prefix + "attn_output", queries, width),
            FeedForwardNorm = tensors.Vector(prefix + "ffn_norm.weight", width),
            Gate = tensors.Projection(prefix + "ffn_gate", width, inner),
            Up = tensors.Projection(prefix + "ffn_up", width, inner),
            Down = tensors.Projection(prefix + "ffn_down", inner, width),
        };
    }
}
