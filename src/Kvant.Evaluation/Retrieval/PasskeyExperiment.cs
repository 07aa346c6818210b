using System.Numerics.Tensors;
using Kvant.Caching;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;
using Kvant.Numerics;

namespace Kvant.Evaluation.Retrieval;

/// <summary>
/// Hides a number in a long text, asks a model for it behind the text, and compares its likeliest answer, at several lengths and depths
/// (Mohtashami and Jaggi, 2023). Without compression first: where the model finds no number even then, it says nothing about codecs.
/// </summary>
/// <remarks>The text is a prompt: it goes through the cache in batches, each exact among its own tokens. Question and answer go token by token.</remarks>
internal sealed record PasskeyExperiment
{
    /// <summary>The model.</summary>
    public required LanguageModel Model { get; init; }

    /// <summary>Its tokenizer.</summary>
    public required Tokenizer Tokenizer { get; init; }

    /// <summary>Text to hide the number in, without digits; it is repeated where it is too short.</summary>
    public required string Filler { get; init; }

    /// <summary>What to compare besides no compression; <see cref="DefaultCodecs.Pairs"/> unless said.</summary>
    public IReadOnlyList<LayerSpecs> Pairs { get; init; } = DefaultCodecs.Pairs;

    /// <summary>Tokens of the text, the hidden sentence among them; 1,024 unless said.</summary>
    public IReadOnlyList<int> Lengths { get; init; } = [1024];

    /// <summary>Places of the sentence, evenly from the beginning of the text to its end: at least 1; 10 unless said.</summary>
    public int Depths { get; init; } = 10;

    /// <summary>What is hidden; <c>NNNNN</c> stands for the number.</summary>
    public string Needle { get; init; } = $"\nThe pass key is {PasskeyText.Placeholder}. Remember it.\n";

    /// <summary>What is asked behind the text; the answer must go on with the number.</summary>
    public string Question { get; init; } = "\nWhat is the pass key? The pass key is";

    /// <summary>The newest tokens that are not compressed (<see cref="KvCacheOptions.Window"/>).</summary>
    public int Window { get; init; } = KvCacheOptions.DefaultWindow;

    /// <summary>The first tokens that are not compressed (<see cref="KvCacheOptions.Sinks"/>).</summary>
    public int Sinks { get; init; } = KvCacheOptions.DefaultSinks;

    /// <summary>Names the numbers.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How the model is run.</summary>
    public DecoderOptions Decoding { get; init; } = new();

    /// <summary>Runs everything.</summary>
    /// <param name="progress">Told now and then which share is done, 0 to 1; or null.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <returns>One result by length and pair, <c>fp32</c> first and then <see cref="Pairs"/> in their order; a length at which <c>fp32</c>
    /// finds no number has no other results.</returns>
    /// <exception cref="ArgumentException">The filler has no tokens, a text is too short for the sentence, or a number or codec does not fit.</exception>
    /// <exception cref="OperationCanceledException">The run was stopped.</exception>
    public IReadOnlyList<RetrievalResult> Run(IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Depths, 1);
        LayerSpecs exact = LayerSpecs.Parse("fp32");
        LayerSpecs[] others = [.. Pairs.Where(p => p != exact)];
        var meter = new ShareMeter(progress, (long)Lengths.Count * (others.Length + 1) * Depths, cancellation);
        List<RetrievalResult> results = [];
        foreach (int length in Lengths)
        {
            RetrievalResult baseline = Measure(exact, length, meter, cancellation);
            results.Add(baseline);
            if (baseline.Right > 0)
                results.AddRange(others.Select(pair => Measure(pair, length, meter, cancellation)));
        }

        return results;
    }

    private RetrievalResult Measure(LayerSpecs pair, int length, ShareMeter meter, CancellationToken cancellation)
    {
        PasskeyText text = new(Tokenizer, Filler, Needle);
        SeededRandom random = new(Seed, stream: (ulong)length);
        double[] right = new double[Depths];
        double bytes = 0;
        using var reader = new Reader(Model, pair.CacheOptions(Model, Sinks, Window), Decoding.Batch, Decoding.Threads, tokenByToken: false);
        for (int depth = 0; depth < Depths; depth++)
        {
            string number = PasskeyText.DrawNumber(random);
            reader.Restart();
            int[] tokens = text.Hide(number, Depths == 1 ? 0.5 : (double)depth / (Depths - 1), length);
            right[depth] = Answer(reader.Decoder, tokens, number.Length, cancellation).StartsWith(number, StringComparison.Ordinal) ? 1 : 0;
            bytes = (double)reader.Cache.Statistics.TotalBytes / reader.Cache.Length;
            meter.Step(1);
        }

        return new RetrievalResult
        {
            Keys = pair.Keys.FullText,
            Values = pair.Values.FullText,
            HeadDimension = Model.Config.HeadDimension,
            Length = length,
            BytesPerToken = bytes,
            RightByDepth = right,
        };
    }

    private string Answer(Decoder decoder, int[] text, int digits, CancellationToken cancellation)
    {
        foreach (int[] part in text.Chunk(Decoding.Batch))
        {
            cancellation.ThrowIfCancellationRequested();
            decoder.Read(part);
        }

        float[] logits = new float[Model.VocabularySize];
        foreach (int token in Tokenizer.Encode(Question, addBegin: false))
            decoder.Forward([token], logits);
        List<int> answer = [];
        // A space in front, and at most a token for each digit.
        while (answer.Count <= digits)
        {
            answer.Add(TensorPrimitives.IndexOfMax<float>(logits));
            decoder.Forward([answer[^1]], logits);
        }

        return Tokenizer.Decode([.. answer]).TrimStart();
    }
}
