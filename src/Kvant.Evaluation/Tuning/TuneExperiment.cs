using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Sources;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Evaluation.Tuning;

/// <summary>
/// Finds the codecs for the keys and the values of each layer that lose least within a budget: measures what each candidate does to each
/// layer on one part of a text and how much the model minds, puts the parts together, and asks the model about the result on another part.
/// </summary>
internal sealed record TuneExperiment
{
    private const int FrontierPoints = 8, UniformTried = 4, MostSearchSteps = 8;

    /// <summary>What a policy may cost, or lose.</summary>
    public required TuneBudget Budget { get; init; }

    /// <summary>Bits by number of the compressed body that the oldest tokens may be coded down to in a cache with a limit (<see cref="FullSteps"/>), less than the chosen policy has; null for steps of no kind.</summary>
    public double? FloorBits { get; init; }

    /// <summary>Candidates for keys; <see cref="TuneCandidates.Keys"/> unless said. Those that do not take the dimension are left out.</summary>
    public IReadOnlyList<CodecSpec> Keys { get; init; } = TuneCandidates.Keys;

    /// <summary>Candidates for values; <see cref="TuneCandidates.Values"/> unless said.</summary>
    public IReadOnlyList<CodecSpec> Values { get; init; } = TuneCandidates.Values;

    /// <summary>First tokens that are never compressed; 64 unless said.</summary>
    public int Sinks { get; init; } = KvCacheOptions.DefaultSinks;

    /// <summary>Newest tokens that are not compressed yet; 128 unless said.</summary>
    public int Window { get; init; } = KvCacheOptions.DefaultWindow;

    /// <summary>Tokens of a piece of text; 1,024 unless said.</summary>
    public int Context { get; init; } = 1024;

    /// <summary>Pieces that are measured; 4 unless said.</summary>
    public int MeasuredChunks { get; init; } = 4;

    /// <summary>Pieces, others, on which policies are verified; 16 unless said, fewer where the text has no more.</summary>
    public int HeldOutChunks { get; init; } = 16;

    /// <summary>Threads; the result does not depend on them.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Where measurements are kept while the run goes on, so that it can be resumed; null for nowhere. The file goes when the run is over. One that tuning did not begin is refused.</summary>
    public string? MemoryPath { get; init; }

    /// <summary>Tunes on a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="text">What it reads: first what is measured, then what policies are verified on.</param>
    /// <param name="progress">Told now and then which share is done; or null.</param>
    /// <param name="cancellation">Stops the run; what was measured is kept.</param>
    /// <exception cref="ArgumentException">No candidate takes the dimension, the text is too short, sinks and window hold all of a piece, the budget is below the smallest policy, or the floor is not below the chosen one.</exception>
    /// <exception cref="OperationCanceledException">The run was stopped.</exception>
    public TuneReport Run(LanguageModel model, string text, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        RequireCompressed(Context);
        var tokenizer = Tokenizer.Read(model.File);
        int[] tokens = tokenizer.Encode(text, addBegin: false);
        TextChunk[] chunks = TextChunk.Cut(tokens, tokenizer.AddsBegin ? tokenizer.Begin : null, Context, MeasuredChunks + HeldOutChunks);
        if (chunks.Length <= MeasuredChunks)
            throw new ArgumentException($"The text has {tokens.Length} tokens, {chunks.Length} pieces of {Context}; {MeasuredChunks} are measured and at least one more is needed to verify.");
        string hash = CachePolicyFile.HashOf([.. model.File.Paths]), fingerprint = string.Join(' ', TuneMemory.Magic, hash, Crc(text), Context, MeasuredChunks, Sinks, Window);
        var source = new ModelTuneSource(model, chunks[..MeasuredChunks], chunks[MeasuredChunks..], Options(model.CacheGeometry) with { Identity = model.Identity }, Threads, fingerprint);
        return Run(source, hash, MeasuredChunks * Context, (chunks.Length - MeasuredChunks) * Context, progress, cancellation);
    }

    /// <summary>Tunes on a trace, by the error of attention alone; nothing is verified.</summary>
    /// <param name="trace">The trace, with queries.</param>
    /// <param name="hash">The hash of its file (<see cref="CachePolicyFile.HashOf"/>), for measurements that are kept.</param>
    /// <param name="progress">Told now and then which share is done; or null.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <exception cref="ArgumentException">The trace has no queries, sinks and window hold all of it, no candidate takes the dimension, or the budget is below the smallest policy or a divergence.</exception>
    public TuneReport Run(ITraceSource trace, string hash, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(trace);
        if (trace.QueryHeads == 0)
            throw new ArgumentException("The trace has no queries; tuning compares attention and needs them.");
        if (Budget.MaxDivergence is not null)
            throw new ArgumentException("A trace cannot tell a divergence of the model; tune a model, or give bits or bytes.");
        RequireCompressed(trace.Tokens);
        var geometry = new CacheGeometry { Layers = trace.Layers, KvHeads = trace.KvHeads, QueryHeads = trace.QueryHeads, KeyDimension = trace.KeyDimension, ValueDimension = trace.ValueDimension, Rotary = trace.Rotary };
        var source = new TraceTuneSource(trace, Options(geometry), Threads, string.Join(' ', TuneMemory.Magic, hash, Sinks, Window));
        return Run(source, trace.ModelHash, trace.Tokens, 0, progress, cancellation);
    }

    // Where all tokens are exact, all candidates lose nothing, and the smallest would win.
    private void RequireCompressed(int tokens)
    {
        if (tokens <= (long)Sinks + Window)
            throw new ArgumentException($"Of {tokens} tokens none is compressed, with {Sinks} sinks and a window of {Window}: there is nothing to tune by. Read more at a time, or keep fewer in 16 bits.");
    }

    private TuneReport Run(TuneSource source, string? modelHash, int measured, int heldOut, IProgress<double>? progress, CancellationToken cancellation)
    {
        CodecSpec[] keys = TuneCandidates.For(Keys, source.Geometry.KeyDimension, CodecRole.Keys), values = TuneCandidates.For(Values, source.Geometry.ValueDimension, CodecRole.Values);
        if (keys.Length == 0 || values.Length == 0)
            throw new ArgumentException($"No candidate takes keys of {source.Geometry.KeyDimension} and values of {source.Geometry.ValueDimension} numbers.");
        (long errors, long sensitivity, long verify) = source.Steps;
        int verified = FrontierPoints + UniformTried + 2 + (Budget.MaxDivergence is null ? 0 : 2 * MostSearchSteps);
        var meter = new ShareMeter(progress, (errors * (keys.Length + values.Length + 2)) + (sensitivity * source.Geometry.Layers) + (verify * verified), cancellation);
        using var memory = new TuneMemory(MemoryPath, source.Fingerprint);
        var costs = new TuneCosts(source, keys, values, memory, meter);
        TunePoint[] steps = [.. Frontier.Of(costs.Places).Select(costs.Point)];
        TunePoint chosen = Choose(source, steps, meter);
        TunePoint[] uniform = [.. costs.Uniform().Where(u => u.BytesPerToken <= chosen.BytesPerToken + 1e-9).OrderBy(u => u.Predicted).Take(UniformTried)];
        TunePoint[] frontier = Spread(steps);
        chosen = chosen with { Policy = Shrinking(steps, chosen) };
        TunePoint[] all = Verify(source, [chosen, .. uniform, .. frontier], meter);
        memory.Forget();
        return new TuneReport
        {
            SourceHash = modelHash,
            Geometry = source.Geometry,
            Chosen = all[0],
            BestUniform = all[1..(uniform.Length + 1)].MinBy(u => u.Verified?.DivergenceMean.Value ?? u.Predicted),
            Frontier = all[(uniform.Length + 1)..],
            MeasuredTokens = measured,
            HeldOutTokens = heldOut,
        };
    }

    private TunePoint Choose(TuneSource source, TunePoint[] steps, ShareMeter meter)
    {
        if (Budget.MaxDivergence is { } divergence)
            return Smallest(source, steps, divergence, meter);
        double bytes = Budget.BytesPerToken ?? Budget.BitsPerValue!.Value * source.Geometry.Fp16BytesPerToken / 16;
        return steps.LastOrDefault(s => s.BytesPerToken <= bytes + 1e-9) ?? throw new ArgumentException(
            FormattableString.Invariant($"The budget is {bytes * 16 / source.Geometry.Fp16BytesPerToken:0.###} bits by number, {bytes:0.#} bytes by token; the smallest policy of these candidates takes {steps[0].BitsPerValue:0.###} and {steps[0].BytesPerToken:0.#}."));
    }

    private LayerPolicy Shrinking(TunePoint[] steps, TunePoint chosen)
    {
        if (FloorBits is not { } bits)
            return chosen.Policy;
        if (bits < steps[0].BitsPerValue - 1e-9 || bits >= chosen.BitsPerValue)
            throw new ArgumentException(FormattableString.Invariant($"The floor is {bits:0.###} bits by number; between {steps[0].BitsPerValue:0.###}, the smallest policy of these candidates, and the chosen policy's {chosen.BitsPerValue:0.###} it may be."));
        return FullSteps.Of(steps, Array.IndexOf(steps, chosen), Array.FindLastIndex(steps, step => step.BitsPerValue <= bits + 1e-9));
    }

    // More bytes lose less, nearly always: the first step that is good enough is found by halving.
    private static TunePoint Smallest(TuneSource source, TunePoint[] steps, double divergence, ShareMeter meter)
    {
        int low = -1, high = steps.Length - 1;
        if (!Suffices(high))
            throw new ArgumentException(FormattableString.Invariant($"No policy of these candidates loses as little as {divergence}; the best takes {steps[high].BitsPerValue:0.##} bits."));
        while (high - low > 1)
        {
            int middle = low + ((high - low) / 2);
            if (Suffices(middle))
                high = middle;
            else
                low = middle;
        }

        return steps[high];

        bool Suffices(int step) => source.Verify([steps[step].Policy], meter)![0].DivergenceMedian.Value <= divergence;
    }

    private static TunePoint[] Spread(TunePoint[] steps)
    {
        double low = steps[0].BitsPerValue, high = steps[^1].BitsPerValue;
        return [.. Enumerable.Range(0, FrontierPoints)
            .Select(i => steps.Last(s => s.BitsPerValue <= low + ((high - low) * Math.Pow((double)i / (FrontierPoints - 1), 2)) + 1e-9))
            .DistinctBy(s => s.BitsPerValue)];
    }

    private static TunePoint[] Verify(TuneSource source, TunePoint[] points, ShareMeter meter) =>
        source.Verify([.. points.Select(p => p.Policy)], meter) is { } losses ? [.. points.Select((p, i) => p with { Verified = losses[i] })] : points;

    private KvCacheOptions Options(CacheGeometry geometry) => new()
    {
        Geometry = geometry,
        Policy = LayerPolicy.Uniform(geometry.Layers, ModelExperiment.Exact, ModelExperiment.Exact),
        Sinks = Sinks,
        Window = Window,
    };

    private static string Crc(string text) => Kernels.Crc32C.Compute(System.Text.Encoding.UTF8.GetBytes(text)).ToString("x8", System.Globalization.CultureInfo.InvariantCulture);
}
