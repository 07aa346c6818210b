using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.Sources;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>
/// What compressing the cache does to a language model: the same weights and the same tokens, only the codecs change. The text is given
/// (teacher forcing), and read as a decoder would write it: every token attends to the cache as it decodes at that moment, rows outside
/// sinks and window compressed. Every number is a comparison with the same model on an <c>fp32</c> cache.
/// </summary>
/// <example><code>
/// using LanguageModel model = LanguageModel.Open("models/mini.gguf");
/// ModelReport report = new ModelExperiment { Model = model, Text = text, Pairs = DefaultCodecs.ForModels }.Run();
/// </code></example>
internal sealed record ModelExperiment
{
    internal static readonly CodecSpec Exact = CodecSpec.Parse("fp32");

    /// <summary>The model; it stays the caller's.</summary>
    public required LanguageModel Model { get; init; }

    /// <summary>What the model is called in the report; the file's name unless said.</summary>
    public string? ModelName { get; init; }

    /// <summary>What it reads. It is cut into chunks of <see cref="Context"/> tokens that are read apart.</summary>
    public required string Text { get; init; }

    /// <summary>What the text is called in the report.</summary>
    public string TextName { get; init; } = "text";

    /// <summary>What to compare, such as <see cref="DefaultCodecs.ForModels"/>.</summary>
    public required IReadOnlyList<LayerSpecs> Pairs { get; init; }

    /// <summary>Policies to compare besides, of the model's number of layers.</summary>
    public IReadOnlyList<NamedPolicy> Policies { get; init; } = [];

    /// <summary>Tokens of a chunk, 2 or more; 1,024 unless said.</summary>
    public int Context { get; init; } = 1024;

    /// <summary>Chunks at most, 1 or more; 16 unless said. With fewer than 16, standard errors are rough.</summary>
    public int Chunks { get; init; } = 16;

    /// <summary>The first tokens, never compressed, the same for all pairs; 64 unless said.</summary>
    public int Sinks { get; init; } = KvCacheOptions.DefaultSinks;

    /// <summary>The newest tokens, not compressed yet, the same for all pairs; 128 unless said.</summary>
    public int Window { get; init; } = KvCacheOptions.DefaultWindow;

    /// <summary>Whether each pair is also measured with its keys compressed alone, and with its values alone.</summary>
    public bool Parts { get; init; }

    /// <summary>The context whose cache size is worked out beside the measured one; 32,768 unless said.</summary>
    public int LongContext { get; init; } = 32768;

    /// <summary>How the compared models multiply with weights; what they are compared with is exact always. With Fast, the pair <c>fp32</c> shows what
    /// products alone lose. Exact unless said, so that the loss of the cache is not buried.</summary>
    public Arithmetic Arithmetic { get; init; } = Arithmetic.Exact;

    /// <summary>What everything is compared with instead of the model on an fp32 cache: logits that another engine wrote for the same tokens. It stays the caller's.</summary>
    public LogitsFile? Against { get; init; }

    /// <summary>Threads, 1 or more. The results other than speeds do not depend on it.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Runs everything.</summary>
    /// <param name="progress">Told now and then which share of the run is done, from any of the threads; or null.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <exception cref="ArgumentException">There is nothing to compare, a policy has another number of layers, a setting is out of range, a codec does not take the model's dimension, or the
    /// text has fewer tokens than one chunk.</exception>
    /// <exception cref="InvalidDataException">The model's file has no tokenizer that can be read, or the logits are of other tokens.</exception>
    /// <exception cref="OperationCanceledException">The run was stopped.</exception>
    public ModelReport Run(IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        Check();
        cancellation.ThrowIfCancellationRequested();
        var tokenizer = Tokenizer.Read(Model.File);
        int? begin = tokenizer.AddsBegin ? tokenizer.Begin : null;
        int[] tokens = tokenizer.Encode(Text, addBegin: false);
        TextChunk[] chunks = TextChunk.Cut(tokens, begin, Context, Chunks);
        if (chunks.Length == 0)
            throw new ArgumentException($"The text has {tokens.Length} tokens; a context of {Context} needs at least {Context + (begin is null ? 1 : 0)}.");
        Against?.RequireTokens(chunks, Model.VocabularySize);
        var plan = new ModelPlan(this, chunks);
        var forced = new TeacherForcing(Model, chunks, plan.Readings, Arithmetic, Against);
        var meter = new ShareMeter(progress, forced.Steps + LayerLosses.Steps(plan) + GreedyRuns.Steps(plan), cancellation);
        forced.Run(Threads, meter);
        LayerLosses layers = new LayerLosses(plan, meter).Run();
        GreedyRuns greedy = new GreedyRuns(plan, meter).Run();
        return plan.Report(tokens.Length, forced, layers, greedy);
    }

    /// <summary>The pairs, then the policies.</summary>
    internal Contestant[] Contestants => Contestant.All(Pairs, Policies, Model.Config.Layers);

    internal LayerPolicy ExactPolicy => LayerPolicy.Uniform(Model.Config.Layers, Exact, Exact);

    /// <summary>How the cache of a policy stores.</summary>
    internal KvCacheOptions CacheOptions(LayerPolicy policy) => Model.CacheOptions(policy) with { Sinks = Sinks, Window = Window };

    private void Check()
    {
        ArgumentNullException.ThrowIfNull(Model);
        ArgumentNullException.ThrowIfNull(Text);
        ArgumentNullException.ThrowIfNull(Pairs);
        ArgumentOutOfRangeException.ThrowIfLessThan(Context, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(Chunks, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(LongContext, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Threads, 1);
        if (Pairs.Count + Policies.Count == 0)
            throw new ArgumentException("There are no pairs of codecs; at least one is wanted.");
        _ = Contestants;
        if (Against is not null && (Against.Context != Context || Against.Chunks < Chunks))
            throw new ArgumentException($"The logits are those of {Against.Chunks} pieces of {Against.Context} tokens; {Chunks} of {Context} are to be read.");
    }
}
