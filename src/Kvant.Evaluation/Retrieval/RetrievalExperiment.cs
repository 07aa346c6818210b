using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Retrieval;

/// <summary>
/// Asks an <see cref="InductionModel"/> what stood behind a token of a long text, with the text in compressed caches: from which length
/// on does each codec give wrong answers? Every token of the text stands there once, so each can be asked for.
/// </summary>
/// <remarks>The text is read exactly, as a prompt is; the question is a decode step over the cache as it decodes.</remarks>
/// <example><code>
/// IReadOnlyList&lt;RetrievalResult&gt; results = new RetrievalExperiment { Threads = 2 }.Run();
/// </code></example>
internal sealed record RetrievalExperiment
{
    /// <summary>What to compare; without compression first, then <see cref="DefaultCodecs.Pairs"/>, unless said.</summary>
    public IReadOnlyList<LayerSpecs> Pairs { get; init; } = [LayerSpecs.Parse("fp32"), .. DefaultCodecs.Pairs];

    /// <summary>Tokens of the text, each at least 3; 1,024, 4,096 and 16,384 unless said. Shorter texts are the beginning of the longest.</summary>
    public IReadOnlyList<int> Lengths { get; init; } = [1024, 4096, 16_384];

    /// <summary>Numbers in a key, even, 32 or more; 64 unless said. Each is a model of its own.</summary>
    public IReadOnlyList<int> HeadDimensions { get; init; } = [64];

    /// <summary>Equal parts of the text that are asked about, at least 1; 10 unless said.</summary>
    public int Depths { get; init; } = 10;

    /// <summary>Questions about each part, at least 1; 16 unless said.</summary>
    public int QuestionsPerDepth { get; init; } = 16;

    /// <summary>The newest tokens that are not compressed (<see cref="KvCacheOptions.Window"/>).</summary>
    public int Window { get; init; } = KvCacheOptions.DefaultWindow;

    /// <summary>The first tokens that are not compressed (<see cref="KvCacheOptions.Sinks"/>).</summary>
    public int Sinks { get; init; } = KvCacheOptions.DefaultSinks;

    /// <summary>Names the codes of the tokens and their order.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Pairs that are worked on at a time, each by a thread of its own. The results do not depend on it.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Runs everything.</summary>
    /// <param name="progress">Told now and then which share is done, 0 to 1, from any of the threads; or null.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <returns>One result by head dimension, pair and length, in the orders in which they were given; lengths ascending.</returns>
    /// <exception cref="ArgumentException">A list is empty, or a number or codec does not fit.</exception>
    /// <exception cref="IOException">The model's file, a temporary one, cannot be written.</exception>
    /// <exception cref="OperationCanceledException">The run was stopped.</exception>
    public IReadOnlyList<RetrievalResult> Run(IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        Check();
        cancellation.ThrowIfCancellationRequested();
        int batches = (Lengths.Max() + Haystack.Batch - 1) / Haystack.Batch, questions = Pairs.Count * Lengths.Count * Depths * QuestionsPerDepth;
        var meter = new ShareMeter(progress, (long)HeadDimensions.Count * (batches + questions), cancellation);
        return [.. HeadDimensions.SelectMany(dimension => Run(dimension, meter, cancellation))];
    }

    private IEnumerable<RetrievalResult> Run(int headDimension, ShareMeter meter, CancellationToken cancellation)
    {
        using var folder = new ScratchFolder();
        string path = folder["induction.gguf"];
        InductionModel.Write(path, headDimension, Lengths.Max(), Seed);
        using LanguageModel model = LanguageModel.Open(path);
        Haystack haystack = Haystack.Read(model, Lengths.Max(), Seed, Threads, () => meter.Step(1));
        var results = new RetrievalResult[Pairs.Count][];
        OneError.For(Pairs.Count, Threads, pair => results[pair] = Ask(model, haystack, Pairs[pair], meter), cancellation);
        return results.SelectMany(r => r);
    }

    private RetrievalResult[] Ask(LanguageModel model, Haystack haystack, LayerSpecs pair, ShareMeter meter)
    {
        using KvCache cache = new(pair.CacheOptions(model, Sinks, Window));
        return [.. Lengths.Order().Select(length =>
        {
            haystack.Fill(cache, length);
            double bytes = cache.Statistics.TotalBytes;
            // Questions may move the border of the window; the text goes on without them.
            using KvCache asked = cache.Fork();
            using Questioner questioner = new(model, asked);
            return new RetrievalResult
            {
                Keys = pair.Keys.FullText,
                Values = pair.Values.FullText,
                HeadDimension = model.Config.HeadDimension,
                Length = length,
                BytesPerToken = bytes / length,
                RightByDepth = [.. Enumerable.Range(0, Depths).Select(depth => RightAt(depth, length, haystack.Tokens, questioner, meter))],
            };
        })];
    }

    private double RightAt(int depth, int length, int[] tokens, Questioner questioner, ShareMeter meter)
    {
        int right = 0;
        for (int i = 0; i < QuestionsPerDepth; i++)
        {
            meter.Step(1);
            int place = Place(length, (depth * QuestionsPerDepth) + i);
            if (questioner.Answer(tokens[place]) == tokens[place + 1])
                right++;
        }

        return (double)right / QuestionsPerDepth;
    }

    // Evenly over the text, but for its first token, which is its own predecessor, and its last, which has no successor.
    private int Place(int length, int question) =>
        Math.Clamp((int)((question + 0.5) / (Depths * QuestionsPerDepth) * length), 1, length - 2);

    private void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Depths, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(QuestionsPerDepth, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(Window);
        ArgumentOutOfRangeException.ThrowIfNegative(Sinks);
        if (Pairs.Count == 0 || Lengths.Count == 0 || HeadDimensions.Count == 0)
            throw new ArgumentException($"{Pairs.Count} pairs, {Lengths.Count} lengths and {HeadDimensions.Count} head dimensions found; at least one of each is wanted.");
        if (Lengths.Min() < 3)
            throw new ArgumentException($"A text of {Lengths.Min()} tokens found; at least 3 are wanted.");
        foreach (int dimension in HeadDimensions)
        {
            foreach (LayerSpecs pair in Pairs)
            {
                pair.Keys.CreateCodec(dimension, CodecRole.Keys);
                pair.Values.CreateCodec(dimension, CodecRole.Values);
            }
        }
    }
}
