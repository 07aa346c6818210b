using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using Kvant.Evaluation.LanguageModels;
using Kvant.Evaluation.Sources;
using Kvant.Models.Decoding;

namespace Kvant.Evaluation.Speed;

/// <summary>
/// How fast a whole model decodes with each codec in its cache, beside the same model with <c>fp32</c>, in turn in one process. The model has
/// the shape of a real one and random weights, the cache random tokens.
/// </summary>
internal sealed record DecodeSpeed
{
    // Building caches, as a share of a run; a guess for the progress alone.
    private const double BuildingShare = 0.2;

    private const int Chunk = 512;

    /// <summary>Codecs to compare; <c>fp32</c> is measured beside them.</summary>
    public required IReadOnlyList<LayerSpecs> Pairs { get; init; }

    /// <summary>Policies to compare besides, of as many layers as the model.</summary>
    public IReadOnlyList<NamedPolicy> Policies { get; init; } = [];

    /// <summary>Layers of the model.</summary>
    public int Layers { get; init; } = 8;

    /// <summary>Numbers in a key and in a value.</summary>
    public int Dimension { get; init; } = 128;

    /// <summary>Key-value heads of a layer.</summary>
    public int KvHeads { get; init; } = 8;

    /// <summary>Query heads that share a key-value head.</summary>
    public int Group { get; init; } = 4;

    /// <summary>Numbers that describe a token between layers, a multiple of 32.</summary>
    public int Width { get; init; } = 1024;

    /// <summary>Numbers of the inner side of the feed-forward part, a multiple of 32.</summary>
    public int FeedForward { get; init; } = 3072;

    /// <summary>How the weights are stored, such as <c>Q8_0</c>; a format of blocks.</summary>
    public string WeightFormat { get; init; } = "Q8_0";

    /// <summary>Tokens that the model knows. Few, so that the last matrix, which varies between models the most, hardly counts.</summary>
    public int Vocabulary { get; init; } = 1024;

    /// <summary>How products with weights are computed.</summary>
    public Arithmetic Arithmetic { get; init; } = Arithmetic.Fast;

    /// <summary>Whether fast products read a copy of the weights that is laid out for them.</summary>
    public bool CopyWeights { get; init; }

    /// <summary>Cached tokens; each step adds one.</summary>
    public int Tokens { get; init; } = 16384;

    /// <summary>Tokens of a prompt that each model reads besides, in an empty cache; 0 for none.</summary>
    public int Prompt { get; init; }

    /// <summary>Threads that work on a step.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Newest tokens in 16-bit floats.</summary>
    public int Window { get; init; } = KvCacheOptions.DefaultWindow;

    /// <summary>First tokens in 16-bit floats.</summary>
    public int Sinks { get; init; } = KvCacheOptions.DefaultSinks;

    /// <summary>How long each codec is measured.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Measures.</summary>
    /// <param name="progress">Is told which share is done.</param>
    /// <param name="cancellation">Ends the run early.</param>
    /// <returns><c>fp32</c>, then the codecs in their order.</returns>
    /// <exception cref="ArgumentException">A codec does not take the dimension, a policy has another number of layers, or a size is no multiple of 32.</exception>
    /// <exception cref="InvalidOperationException">An answer is wrong.</exception>
    /// <exception cref="IOException">The model, a temporary file, cannot be written.</exception>
    public IReadOnlyList<DecodeSpeedResult> Run(Action<double>? progress = null, CancellationToken cancellation = default)
    {
        // Refused before much is written.
        Contestant[] contestants = Contestant.All([LayerSpecs.Both(ModelExperiment.Exact), .. Pairs], Policies, Layers);
        foreach (LayerSpecs layer in contestants.SelectMany(c => c.Layers).Distinct())
        {
            _ = layer.Keys.CreateCodec(Dimension, CodecRole.Keys);
            _ = layer.Values.CreateCodec(Dimension, CodecRole.Values);
        }

        using var folder = new ScratchFolder();
        string path = folder["random.gguf"];
        SaveModel(path);
        using LanguageModel model = LanguageModel.Open(path);
        if (CopyWeights) model.CopyWeights(Threads);
        return Run(model, contestants, progress ?? (static _ => { }), cancellation);
    }

    /// <summary>Writes the model that is measured.</summary>
    /// <param name="path">The file to create or replace (GGUF).</param>
    /// <exception cref="ArgumentException">A size is no multiple of the format's block.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveModel(string path) => RandomModel.Save(path, this);

    private DecodeSpeedResult[] Run(LanguageModel model, Contestant[] contestants, Action<double> progress, CancellationToken cancellation)
    {
        using var team = new WorkerTeam(Threads);
        var contenders = new List<DecodeContender>();
        try
        {
            foreach (Contestant contestant in contestants)
                contenders.Add(new DecodeContender(this, model, team, contestant.Layers));
            Fill(contenders, share => progress(BuildingShare * share), cancellation);
            double[] errors = [.. contenders.Select((c, i) => Check(contestants[i].Name, c, contenders[0]))];
            double[] medians = new Rounds
            {
                Time = Time * contestants.Length,
                Progress = share => progress(BuildingShare + ((1 - BuildingShare) * share)),
                Cancellation = cancellation,
            }.Medians([.. contenders.Select(c => new Contender(_ => c.Step()))]);
            double plain = contenders[0].AttentionNanoseconds;
            long[] bytes = [.. contenders.Select(c => c.Cache.Statistics.TotalBytes)];
            double[]? prompts = Prompt == 0 ? null : new PromptTurns { Tokens = Prompt, Time = Time * contestants.Length, Cancellation = cancellation }.Run(contenders);
            return [.. contenders.Select((c, i) => new DecodeSpeedResult
            {
                Codec = contestants[i].Name,
                Tokens = Tokens,
                Threads = Threads,
                CacheBytes = bytes[i],
                AttentionMilliseconds = c.AttentionNanoseconds / 1e6,
                RestMilliseconds = Math.Max(0, medians[i] - c.AttentionNanoseconds) / 1e6,
                AttentionRatioToFp32 = plain / c.AttentionNanoseconds,
                RatioToFp32 = medians[0] / medians[i],
                PromptTokensPerSecond = prompts?[i],
                PromptRatioToFp32 = prompts?[i] / prompts?[0],
                OutputError = errors[i],
            })];
        }
        finally
        {
            contenders.ForEach(c => c.Dispose());
        }
    }

    // The same rows in all layers: that they differ is nothing that time depends on.
    private void Fill(List<DecodeContender> contenders, Action<double> progress, CancellationToken cancellation)
    {
        for (int first = 0; first < Tokens; first += Chunk)
        {
            int count = Math.Min(Chunk, Tokens - first);
            (float[] keys, float[] values) = Rows(first, count);
            foreach (DecodeContender contender in contenders)
            {
                cancellation.ThrowIfCancellationRequested();
                for (int layer = 0; layer < Layers; layer++)
                    contender.Cache.Append(layer, keys, values);
            }

            progress((double)(first + count) / Tokens);
        }
    }

    private (float[] Keys, float[] Values) Rows(int first, int count) => (
        RandomVectors.Normal(count, KvHeads * Dimension, seed: 1, stream: (ulong)first), RandomVectors.Normal(count, KvHeads * Dimension, seed: 2, stream: (ulong)first));

    // All begin with the same token, so that the first layer asks all caches the same.
    private double Check(string codec, DecodeContender contender, DecodeContender exact)
    {
        (float[] keys, float[] values) = Rows(0, Math.Min(Chunk, Tokens));
        AttentionAnswers.RequireRows(codec, contender.Cache, keys, values);
        contender.Step();
        using var attention = new CacheAttention(contender.Cache.Geometry, new AttentionSettings { Arithmetic = Arithmetic.Exact });
        float[] inFloats = new float[contender.FirstOutputs.Length];
        attention.Decode(contender.Cache, 0, contender.FirstQueries, inFloats);
        return AttentionAnswers.RequireTimed(codec, contender.FirstOutputs, inFloats, exact.FirstOutputs);
    }
}
