using Kvant.Caching;
using Kvant.Models.Decoding;
using Kvant.Models.Tokenizers;
using Microsoft.ML.OnnxRuntime;
using OnnxBars;
using OnnxExport;

// Each session takes all threads.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Kvant.OnnxRuntime.Tests;

/// <summary>The small model that ships, exported in several ways when it is asked for.</summary>
internal static class Mini
{
    private static readonly Dictionary<ExportOptions, string> s_exported = [];
    private static readonly string s_folder = Directory.CreateTempSubdirectory("kvant-onnx").FullName;

    static Mini() => AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(s_folder, recursive: true);

    public static string Gguf { get; } = Path.Combine(AppContext.BaseDirectory, "models", "mini.gguf");

    /// <summary>Kinds of graphs that are taken, by name.</summary>
    public static readonly Dictionary<string, ExportOptions> Kinds = new()
    {
        ["plain"] = new(),
        ["plain-half"] = new() { Half = true },
        ["plain-half-past"] = new() { HalfPast = true },
        ["plain-data"] = new() { DataFile = true },
        ["plain-int32"] = new() { ShortNumbers = true },
        ["group"] = new() { GroupQuery = true },
        ["group-half"] = new() { GroupQuery = true, Half = true },
        ["group-half-past"] = new() { GroupQuery = true, HalfPast = true },
        ["group-int32"] = new() { GroupQuery = true, ShortNumbers = true },
        ["group-packed-data"] = new() { GroupQuery = true, Packed = true, DataFile = true },
    };

    public static int[] Tokens { get; } = ReadTokens();

    /// <summary>One thread on either side: many that wait for each other only heat a test's processor.</summary>
    public static OnnxDecoderOptions Single { get; } = new() { Threads = 1, Session = options => options.IntraOpNumThreads = 1 };

    public static SessionOptions SingleSession { get; } = new() { IntraOpNumThreads = 1 };

    /// <summary>A decoder without a past and one with one, in one graph; not to be cut.</summary>
    public static readonly ExportOptions Merged = new() { Merged = true };

    public static bool IsHalf(string kind) => Kinds[kind].Half;

    /// <summary>The model as a graph of a kind.</summary>
    public static string Export(string kind) => Export(Kinds[kind]);

    public static string Export(ExportOptions options)
    {
        lock (s_exported)
        {
            if (!s_exported.TryGetValue(options, out string? path))
            {
                path = Path.Combine(s_folder, $"mini{s_exported.Count}.onnx");
                Exporter.Export(Gguf, path, options);
                s_exported.Add(options, path);
            }

            return path;
        }
    }

    /// <summary>A cache that loses nothing.</summary>
    public static KvCache Exact(OnnxDecoder decoder) => new(new() { Geometry = decoder.Geometry, Policy = LayerPolicy.Uniform(decoder.Geometry.Layers, LayerSpecs.Parse("fp32")), WindowCodec = Codecs.CodecSpec.Parse("fp32") });

    // A short tail, so that texts of some hundred tokens are compressed.
    public static KvCache Cache(OnnxDecoder decoder, string policy) =>
        new((CachePreset.Find(policy) is null ? decoder.CacheOptions() with { Policy = LayerPolicy.Uniform(decoder.Geometry.Layers, LayerSpecs.FromText(policy)) } : decoder.CacheOptions(policy)) with { Window = 64, Sinks = 4 });

    /// <summary>Reads a prompt, another part of one, and tokens one by one, and says by how much logits differ at most.</summary>
    public static float Compare(OnnxDecoder decoder, KvCache cache, PlainSession plain, bool rounded = false)
    {
        float most = 0;
        float[] found = new float[decoder.VocabularySize];
        for (int done = 0; done < 340;)
        {
            int count = done is 0 ? 250 : done is 250 ? 30 : 1;
            decoder.Forward(cache, Tokens.AsSpan(done, count), found);
            most = Math.Max(most, Difference(plain.Forward(Tokens.AsSpan(done, count))[^1], found));
            if (rounded)
                plain.Round(count);
            done += count;
        }

        return most;
    }

    /// <summary>Sequences of different lengths that get tokens together, and plain sessions that get the same alone.</summary>
    public static float CompareBatch(OnnxDecoder decoder, string path)
    {
        int[] lengths = [40, 7, 90];
        KvCache[] caches = [.. lengths.Select(_ => Exact(decoder))];
        PlainSession[] plain = [.. lengths.Select(_ => new PlainSession(path, SingleSession))];
        float[] found = new float[lengths.Length * decoder.VocabularySize];
        float most = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            decoder.Forward(caches[i], Tokens.AsSpan(i * 200, lengths[i]), []);
            plain[i].Forward(Tokens.AsSpan(i * 200, lengths[i]));
        }

        for (int step = 0; step < 12; step++)
        {
            int[] tokens = [.. lengths.Select((_, i) => Tokens[(i * 300) + step])];
            decoder.Forward(caches, tokens, found);
            for (int i = 0; i < lengths.Length; i++)
                most = Math.Max(most, Difference(plain[i].Forward(tokens[i])[^1], found.AsSpan(i * decoder.VocabularySize, decoder.VocabularySize)));
        }

        foreach (IDisposable one in (IEnumerable<IDisposable>)[.. caches, .. plain])
            one.Dispose();
        return most;
    }

    public static float Difference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Assert.Equal(a.Length, b.Length);
        float most = 0;
        for (int i = 0; i < a.Length; i++)
            most = Math.Max(most, float.IsNaN(a[i] - b[i]) ? float.PositiveInfinity : Math.Abs(a[i] - b[i]));
        return most;
    }

    public static int Best(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
            best = logits[i] > logits[best] ? i : best;
        return best;
    }

    private static int[] ReadTokens()
    {
        using LanguageModel model = LanguageModel.Open(Gguf);
        return Tokenizer.Read(model.File).Encode(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "mini-holdout.txt")), addBegin: false)[..3000];
    }
}
