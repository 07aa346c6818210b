using Kvant.Models.Gguf;

namespace Kvant.Models.Decoding;

/// <summary>The sizes of a model.</summary>
public sealed record ModelConfig
{
    private const float DefaultRopeBase = 10_000;

    /// <summary>The family: <c>llama</c>, <c>qwen2</c>, <c>qwen3</c>, <c>qwen3moe</c>, <c>phi3</c> or <c>gemma3</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>How many layers there are.</summary>
    public required int Layers { get; init; }

    /// <summary>How many numbers describe a token between layers.</summary>
    public required int Width { get; init; }

    /// <summary>How many query heads a layer has.</summary>
    public required int QueryHeads { get; init; }

    /// <summary>How many heads of keys and values a layer has; each serves the same number of query heads.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>How many numbers a query, a key or a value has.</summary>
    public required int HeadDimension { get; init; }

    /// <summary>How many numbers the inner side of the feed-forward part has, where there are experts that of one.</summary>
    public required int FeedForward { get; init; }

    /// <summary>How many tokens the model was trained on at once. It may read more, worse and worse.</summary>
    public required int ContextLength { get; init; }

    /// <summary>What is added to a mean of squares before its root is taken.</summary>
    public required float Epsilon { get; init; }

    /// <summary>The base of the wavelengths that positions turn queries and keys by.</summary>
    public required float RopeBase { get; init; }

    /// <summary>What positions are divided by, for models stretched to longer contexts (with YaRN for the slowest pairs of coordinates only); 1 if not.</summary>
    public required float RopeDivisor { get; init; }

    /// <summary>How many of the newest tokens a token sees in layers with a sliding window, itself counted; 0 for all. <see cref="LanguageModel.CacheGeometry"/> says
    /// which layers have one. Where it is at least <see cref="ContextLength"/>, none has, and tokens behind it are not read.</summary>
    public int SlidingWindow { get; init; }

    /// <summary>How many of the first coordinates of a head position turns.</summary>
    internal int RopeDimension { get; private init; }

    internal RopeScaling Scaling { get; private init; } = new();

    /// <summary>Whether some layers have a window that ends before the context does.</summary>
    internal bool HasWindows => SlidingWindow > 0 && SlidingWindow < ContextLength;

    /// <summary>The window of a layer; 0 if it has none.</summary>
    internal int WindowOf(int layer) => HasWindows && IsLocal(layer) ? SlidingWindow : 0;

    /// <summary>Whether a layer is one of those that have a window, even if the context ends before it does.</summary>
    internal bool IsLocal(int layer) => SlidingWindow > 0 && WindowPeriod is { } period && (period == 0 || layer % period < period - 1);

    /// <summary>As <see cref="Architecture"/> has it, or the file.</summary>
    internal int? WindowPeriod { get; private init; }

    /// <summary>The base of the wavelengths in layers with a window; null where all layers turn alike.</summary>
    internal float? WindowRopeBase { get; private init; }

    /// <summary>What queries are multiplied by, so that dot products divided by the root of the heads' dimension are the model's scores.</summary>
    internal float QueryFactor { get; private init; } = 1;

    /// <summary>How many experts a layer has; 0 where it has one feed-forward part.</summary>
    internal int Experts { get; private init; }

    /// <summary>How many of them a token goes through.</summary>
    internal int ExpertsUsed { get; private init; }

    /// <summary>The soft limit of logits: x becomes cap * tanh(x / cap). 0 for none.</summary>
    internal float LogitCap { get; private init; }

    /// <summary>Reads and checks the sizes of a model.</summary>
    /// <exception cref="InvalidDataException">A size is missing, impossible, or asks for something that the decoder lacks.</exception>
    public static ModelConfig Read(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        GgufValue architecture = file.Value("general.architecture");
        string name = architecture.AsText();
        Architecture family = Decoding.Architecture.Find(name) ?? throw architecture.Refuse(Decoding.Architecture.Known, $"'{name}'");
        GgufValue heads = file.Value($"{name}.attention.head_count");
        int queryHeads = Positive(heads), width = Positive(file.Value($"{name}.embedding_length"));
        GgufValue shared = Optional("attention.head_count_kv") ?? heads;
        int keyValueHeads = Positive(shared);
        if (queryHeads % keyValueHeads != 0) throw shared.Refuse($"a divisor of the {queryHeads} query heads", $"{keyValueHeads}");
        int dimension = Optional("attention.key_length") is { } length ? Positive(length) : width / queryHeads;
        if (dimension == 0 || dimension % 2 != 0) throw (Optional("attention.key_length") ?? heads).Refuse("heads of an even dimension", $"a dimension of {dimension}");
        if (Optional("attention.value_length") is { } values && values.AsCount() != dimension) throw values.Refuse($"the dimension of the heads, {dimension}", $"{values.AsCount()}");
        GgufValue? turned = Optional("rope.dimension_count");
        int rope = turned?.AsCount() ?? dimension;
        if (rope != dimension && !(family.RotatesParts && rope > 0 && rope < dimension && rope % 2 == 0))
            throw turned!.Refuse($"the dimension of the heads, {dimension}{(family.RotatesParts ? ", or an even part of it" : "")}", $"{rope}");
        int context = Positive(file.Value($"{name}.context_length"));
        float @base = Optional("rope.freq_base") is { } said ? AboveZero(said) : DefaultRopeBase;
        RopeScaling scaling = RopeScaling.Read(file, family, context, @base);
        int layers = Positive(file.Value($"{name}.block_count")), window = Optional("attention.sliding_window")?.AsCount() ?? 0;
        int experts = family.HasExperts ? Positive(file.Value($"{name}.expert_count")) : 0, used = family.HasExperts ? Positive(file.Value($"{name}.expert_used_count")) : 0;
        if (used > experts) throw file.Value($"{name}.expert_used_count").Refuse($"a number up to the {experts} experts", $"{used}");
        // As llama.cpp: where an expert's size is not said, those that are used are as large as a feed-forward part without experts.
        int inner = family.HasExperts && Optional("expert_feed_forward_length") is { } each && each.AsCount() > 0 ? each.AsCount() : Positive(file.Value($"{name}.feed_forward_length")) / Math.Max(1, used);
        if (inner == 0) throw file.Value($"{name}.feed_forward_length").Refuse($"at least 1 for each of the {used} experts that are used", $"{file.Value($"{name}.feed_forward_length")}");
        ModelConfig config = new()
        {
            Architecture = name,
            Layers = layers,
            Width = width,
            QueryHeads = queryHeads,
            KeyValueHeads = keyValueHeads,
            HeadDimension = dimension,
            FeedForward = inner,
            Experts = experts,
            ExpertsUsed = used,
            ContextLength = context,
            Epsilon = file.Value($"{name}.attention.layer_norm_rms_epsilon").AsNumber(),
            RopeBase = @base,
            RopeDivisor = scaling.Divisor,
            Scaling = scaling,
            RopeDimension = rope,
            WindowPeriod = family.WindowRopeBase is null ? family.WindowPeriod : Optional("attention.sliding_window_pattern")?.AsCount() ?? family.WindowPeriod,
            WindowRopeBase = window > 0 && family.WindowRopeBase is { } usual ? Optional("rope.freq_base_swa") is { } own ? AboveZero(own) : usual : null,
            QueryFactor = layers == family.LayersOfScaleByWidth ? MathF.Sqrt(dimension) / MathF.Sqrt(width / queryHeads) : 1,
            LogitCap = family.CapsLogits && Optional("final_logit_softcapping") is { } cap && cap.AsNumber() != 0 ? AboveZero(cap) : 0,
            SlidingWindow = window,
        };
        if (config.HasWindows && family.WindowPeriod is null)
            throw Optional("attention.sliding_window")!.Refuse($"0 or at least the context of {config.ContextLength} (nobody knows which layers of this family have windows)", $"{config.SlidingWindow}");
        MetadataRules.Check(file, config);
        return config;

        GgufValue? Optional(string key) => file.TryGetValue($"{name}.{key}", out GgufValue? value) ? value : null;
    }

    private static int Positive(GgufValue value) => value.AsCount() is > 0 and int count ? count : throw value.Refuse("a number above 0", "0");

    internal static float AboveZero(GgufValue value) => value.AsNumber() is > 0 and float number ? number : throw value.Refuse("a number above 0", $"{value.AsNumber()}");
}
