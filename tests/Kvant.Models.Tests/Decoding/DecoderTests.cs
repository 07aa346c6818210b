using System.Numerics.Tensors;
using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Formats;
using Kvant.Models.Tests.Reference;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

public sealed class DecoderTests
{
    public static TheoryData<string> Names => [.. TinyModels.All.Keys, "mini", "mini-bias"];

    [Theory, MemberData(nameof(Names))]
    public void LogitsAreThoseOfLlamaCpp(string name)
    {
        LogitGolden golden = LogitGolden.Read(name);
        using Running running = new(name);
        float[] logits = new float[golden.Prompt.Length * running.Vocabulary];
        running.Decoder.ForwardEach(golden.Prompt, logits);
        for (int i = 0; i < golden.Positions.Length; i++)
        {
            ReadOnlySpan<float> wanted = golden.Logits.AsSpan(i * running.Vocabulary, running.Vocabulary);
            // Logits that are all alike would prove nothing.
            Assert.True(TensorPrimitives.Max(wanted) - TensorPrimitives.Min(wanted) > 3);
            AssertNear(wanted, logits.AsSpan(golden.Positions[i] * running.Vocabulary, running.Vocabulary), running.Model.Architecture.HasGelu ? Tolerances.LogitsOfHalfGates : Tolerances.Logits);
        }
    }

    // Where gates are GELU llama.cpp looks them up in a table of half precision; with such a table the reference gives its logits to the usual bar. Some gates fall
    // on the other side of a step, and more with every token, so the first tokens are asked.
    [Theory, InlineData("gemma3"), InlineData("gemma3-period"), InlineData("gemma3-full")]
    public void TheReferenceWithLlamaCppsTableGivesItsLogits(string name)
    {
        LogitGolden golden = LogitGolden.Read(name);
        using Running running = new(name);
        foreach (int position in (int[])[0, 1, 5])
        {
            double[] found = new ReferenceDecoder(running.Model.File) { GatesOfHalves = true }.Logits(golden.Prompt[..(position + 1)]);
            AssertNear(golden.Logits.AsSpan(position * running.Vocabulary, running.Vocabulary), [.. found.Select(x => (float)x)], Tolerances.Logits);
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void GreedyTextIsThatOfLlamaCpp(string name)
    {
        LogitGolden golden = LogitGolden.Read(name);
        using Running running = new(name);
        Assert.Equal(golden.Greedy, Greedy(running.Decoder, golden.Prompt, running.Vocabulary, golden.Greedy.Length));
        Assert.Equal(golden.Prompt.Length + 200, running.Decoder.Position);
    }

    // Sequences longer than window and a page, in float and without compression: the same text.
    [Theory, MemberData(nameof(Names))]
    public void GreedyTextOnACacheOfSinglePrecisionIsThatOfLlamaCpp(string name)
    {
        LogitGolden golden = LogitGolden.Read(name);
        using Running running = new(name);
        using KvCache cache = new(CacheOptions(running.Model, "fp32"));
        using WorkerTeam team = new(2);
        using CompressedAttention attention = new(cache, team: team);
        using Decoder decoder = new(running.Model, attention, team: team);
        Assert.Equal(golden.Greedy, Greedy(decoder, golden.Prompt, running.Vocabulary, golden.Greedy.Length));
        Assert.Equal(decoder.Position, cache.Length);
    }

    [Fact]
    public void ACompressedCacheChangesLogitsALittle()
    {
        using Running running = new("mini");
        int[] prompt = LogitGolden.Read("mini").Prompt;
        float[] exact = new float[running.Vocabulary], rough = new float[running.Vocabulary];
        running.Decoder.Forward(prompt, exact);
        using KvCache cache = new(CacheOptions(running.Model, "turboquant:bits=4") with { Window = 0, Sinks = 0 });
        using CompressedAttention attention = new(cache);
        using Decoder decoder = new(running.Model, attention, new DecoderOptions { Batch = 1 });
        decoder.Forward(prompt, rough);
        // Changed by more than rounding, and far less than the logits differ among themselves.
        double change = TensorPrimitives.Distance<float>(exact, rough) / TensorPrimitives.Norm<float>(exact);
        Assert.InRange(change, 1e-4, 0.1);
        Assert.Equal(TensorPrimitives.IndexOfMax<float>(exact), TensorPrimitives.IndexOfMax<float>(rough));
    }

    [Theory, MemberData(nameof(Names))]
    public void ManyTokensAtOnceGiveTheLogitsOfOneByOne(string name)
    {
        int[] prompt = LogitGolden.Read(name).Prompt;
        using Running single = new(name), whole = new(name, threads: 2), parts = new(name, batch: 7);
        float[] wanted = new float[prompt.Length * single.Vocabulary], found = new float[wanted.Length], last = new float[single.Vocabulary];
        for (int i = 0; i < prompt.Length; i++) single.Decoder.Forward(prompt.AsSpan(i, 1), wanted.AsMemory(i * single.Vocabulary, single.Vocabulary));
        whole.Decoder.ForwardEach(prompt, found);
        AssertNear(wanted, found, Tolerances.Batch);
        parts.Decoder.Forward(prompt, last);
        AssertNear(wanted.AsSpan(^single.Vocabulary..), last, Tolerances.Batch);
    }

    public static TheoryData<string, string> Stored =>
    [
        .. TensorFormat.All.Select(f => ("llama-tied", f.Name)), .. TinyModels.All.Keys.Where(n => n != "llama-tied").Select(n => (n, "F32")), ("llama", "F16"), ("qwen2", "Q8_0"), ("qwen3", "Q4_K"), ("qwen3moe", "Q4_K"), ("phi3", "Q6_K"), ("gemma3-full", "Q8_0"),
    ];

    [Theory, MemberData(nameof(Stored))]
    public void LogitsOfEveryFormatAreThoseOfDoublePrecision(string name, string format)
    {
        using TemporaryFolder folder = new();
        TinyModels.CreateStored(name, TensorFormat.Parse(format)).Save(folder.File("model"));
        using LanguageModel model = LanguageModel.Open(folder.File("model"));
        int[] prompt = [3, 1, 41, 59, 26];
        double[] wanted = new ReferenceDecoder(model.File).Logits(prompt);
        float[] found = new float[wanted.Length];
        foreach ((Arithmetic arithmetic, bool copied) in ((Arithmetic, bool)[])[(Arithmetic.Exact, false), (Arithmetic.Fast, false), (Arithmetic.Fast, true), (Arithmetic.Exact, true)])
        {
            // Every matrix of codes, but for one that is read row by row and in no product.
            long codes = model.File.Tensors.Where(t => t.Format.HasCodes && (t.Name != "token_embd.weight" || model.Output == model.Embedding)).Sum(t => t.ByteLength);
            if (copied) Assert.InRange(model.CopyWeights(2), codes, codes == 0 ? 0 : (codes * 1.5) + 10_000);
            using Decoder decoder = new(model, new ExactAttention(model.Config, prompt.Length), new DecoderOptions { Arithmetic = arithmetic });
            decoder.Forward(prompt, found);
            double norm = Math.Sqrt(wanted.Sum(x => x * x)), error = Math.Sqrt(wanted.Zip(found, (a, b) => (a - b) * (a - b)).Sum());
            Assert.InRange(error, 0, norm * (arithmetic == Arithmetic.Exact ? Tolerances.Batch : Tolerances.RoundedLogits));
        }
    }

    // What guesses are checked with: nobody may see that they were read together.
    [Theory, MemberData(nameof(Stored))]
    public void ManyTokensOnTrialHaveTheBitsOfOneByOne(string name, string format)
    {
        using var folder = new TemporaryFolder();
        TinyModels.CreateStored(name, TensorFormat.All.Single(f => f.Name == format)).Save(folder.File("model"));
        using LanguageModel model = LanguageModel.Open(folder.File("model"));
        int[] prompt = [3, 1, 41, 59, 26, 5, 35, 8, 9, 79, 32, 3, 84, 62, 6, 43, 38, 32, 79, 50];
        foreach ((Arithmetic arithmetic, bool copied) in (ReadOnlySpan<(Arithmetic, bool)>)[(Arithmetic.Exact, false), (Arithmetic.Fast, false), (Arithmetic.Fast, true)])
        {
            if (copied) model.CopyWeights();
            using KvCache one = new(CacheOptions(model, "turboquant:bits=3") with { Window = 4 }), fork = one.Fork();
            using CompressedAttention alone = new(one), together = new(fork);
            using Decoder single = new(model, alone, new DecoderOptions { Arithmetic = arithmetic }), many = new(model, together, new DecoderOptions { Arithmetic = arithmetic });
            float[] wanted = new float[prompt.Length * model.VocabularySize], found = new float[wanted.Length];
            for (int i = 0; i < prompt.Length; i++) single.Forward([prompt[i]], wanted.AsMemory(i * model.VocabularySize, model.VocabularySize));
            together.Trial.Begin();
            many.ForwardAlone(prompt, found);
            Assert.Equal(wanted, found);
            Assert.Equal(0, fork.Length);
            together.Trial.Keep(prompt.Length);
            Assert.True(one.Freeze().AsSpan().SequenceEqual(fork.Freeze()));
        }
    }

    [Fact]
    public void AStepAllocatesNothing()
    {
        using Running running = new("qwen3", threads: 2);
        float[] logits = new float[running.Vocabulary];
        running.Decoder.Forward([1, 2, 3], logits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++) running.Decoder.Forward([i], logits);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void WrongTokensAndLengthsAreRefusedBeforeAnythingIsRead()
    {
        using Running running = new("llama");
        float[] logits = new float[running.Vocabulary];
        Assert.Throws<ArgumentException>(() => running.Decoder.Forward([], logits));
        Assert.Throws<ArgumentException>(() => running.Decoder.Forward([1], new float[5]));
        Assert.Throws<ArgumentException>(() => running.Decoder.ForwardEach([1, 2], logits));
        Assert.Throws<ArgumentOutOfRangeException>(() => running.Decoder.Forward([1, running.Vocabulary], logits));
        Assert.Throws<ArgumentOutOfRangeException>(() => running.Decoder.Forward([-1], logits));
        Assert.Equal(0, running.Decoder.Position);
    }

    [Fact]
    public void AfterTheCacheWasEmptiedTheDecoderBeginsAgain()
    {
        using Running first = new("llama"), second = new("llama");
        float[] wanted = new float[first.Vocabulary], found = new float[first.Vocabulary];
        first.Decoder.Forward([5, 6, 7], wanted);
        second.Decoder.Forward([9, 9], found);
        second.Attention.Clear();
        second.Decoder.Forward([5, 6, 7], found);
        Assert.Equal(wanted, found);
    }

    private static KvCacheOptions CacheOptions(LanguageModel model, string codec) => new()
    {
        Geometry = model.CacheGeometry,
        Policy = LayerPolicy.Uniform(model.Config.Layers, CodecSpec.Parse(codec), CodecSpec.Parse(codec)),
    };

    private static List<int> Greedy(Decoder decoder, int[] prompt, int vocabulary, int count)
    {
        float[] logits = new float[vocabulary];
        decoder.Forward(prompt, logits);
        List<int> greedy = [];
        while (greedy.Count < count)
        {
            greedy.Add(TensorPrimitives.IndexOfMax<float>(logits));
            decoder.Forward([greedy[^1]], logits);
        }
        return greedy;
    }

    private static void AssertNear(ReadOnlySpan<float> wanted, ReadOnlySpan<float> found, double tolerance)
    {
        Assert.Equal(wanted.Length, found.Length);
        for (int i = 0; i < wanted.Length; i++) Assert.Equal(wanted[i], found[i], tolerance);
    }

    private sealed class Running : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public Running(string name, int threads = 1, int batch = 64)
        {
            string path = Goldens.Model(name + ".gguf");
            if (TinyModels.All.ContainsKey(name)) TinyModels.Write(path = _folder.File("model"), name);
            Model = LanguageModel.Open(path);
            Attention = new ExactAttention(Model.Config, 512);
            Decoder = new Decoder(Model, Attention, new DecoderOptions { Threads = threads, Batch = batch });
        }

        public LanguageModel Model { get; }

        public Decoder Decoder { get; }

        public ExactAttention Attention { get; }

        public int Vocabulary => Model.VocabularySize;

        public void Dispose()
        {
            Decoder.Dispose();
            Model.Dispose();
            _folder.Dispose();
        }
    }
}
