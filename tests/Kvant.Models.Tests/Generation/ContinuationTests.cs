using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Tests.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Models.Tests.Generation;

/// <summary>A generator that begins behind a fork, a thawed cache or a cut writes what the uninterrupted one does, token by token.</summary>
public sealed class ContinuationTests : IDisposable
{
    private const int Tokens = 24, Interruption = 10, Prefix = 45;

    private readonly LanguageModel _model = LanguageModel.Open(Goldens.Model("mini.gguf"));
    private readonly int[] _prompt = LogitGolden.Read("mini").Prompt;
    private readonly Tokenizer _tokenizer;

    public ContinuationTests() => _tokenizer = Tokenizer.Read(_model.File);

    public static TheoryData<string> Codecs => ["fp32", "q4_0:rotation=hadamard", "turboquant:bits=3", "kivi:bits=2"];

    public void Dispose() => _model.Dispose();

    [Theory, MemberData(nameof(Codecs))]
    public void AForkAndAThawedCacheGoOnAsTheUninterruptedRun(string codec)
    {
        IReadOnlyList<int> straight = Straight(codec, _prompt.Length);
        using Running first = new(this, codec);
        first.Generator.Read(_prompt);
        Assert.Equal(straight.Take(Interruption), first.Generator.Write(Interruption).Tokens);
        float[] logits = first.Generator.Logits.ToArray();
        using Running fork = new(this, first.Cache.Fork()), thawed = new(this, KvCache.Thaw(first.Cache.Freeze()));
        foreach (Running running in (Running[])[thawed, fork, first])
        {
            running.Generator.Resume(logits);
            Assert.Equal(_prompt.Length + Interruption, running.Generator.Position);
            Assert.Equal(straight.Skip(Interruption), running.Generator.Write(Tokens - Interruption).Tokens);
        }
    }

    [Theory, MemberData(nameof(Codecs))]
    public void AStoredPrefixServesManyPrompts(string codec)
    {
        IReadOnlyList<int> straight = Straight(codec, Prefix);
        byte[] stored;
        using (Running first = new(this, codec))
        {
            first.Generator.Read(_prompt.AsSpan(0, Prefix));
            stored = first.Cache.Freeze();
        }
        for (int i = 0; i < 2; i++)
        {
            using Running thawed = new(this, KvCache.Thaw(stored));
            Assert.Throws<InvalidOperationException>(() => thawed.Generator.Write(1));
            thawed.Generator.Read(_prompt.AsSpan(Prefix));
            Assert.Equal(straight, thawed.Generator.Write(Tokens).Tokens);
        }
    }

    // Without loss a cut leaves no trace. With codecs rows that left the window meanwhile stay compressed, so there the cut cache is compared with its own thaw.
    [Theory, MemberData(nameof(Codecs))]
    public void ACutCacheGoesOnAtItsEnd(string codec)
    {
        IReadOnlyList<int> straight = Straight(codec, _prompt.Length);
        using Running running = new(this, codec);
        running.Generator.Read(_prompt);
        running.Generator.Write(Tokens);
        running.Cache.Truncate(_prompt.Length + Interruption);
        Assert.Throws<InvalidOperationException>(() => running.Generator.Write(1));
        using Running thawed = new(this, KvCache.Thaw(running.Cache.Freeze()));
        running.Generator.Read([straight[Interruption]]);
        thawed.Generator.Read([straight[Interruption]]);
        IReadOnlyList<int> written = running.Generator.Write(Tokens - Interruption - 1).Tokens;
        Assert.Equal(thawed.Generator.Write(Tokens - Interruption - 1).Tokens, written);
        if (codec == "fp32") Assert.Equal(straight.Skip(Interruption + 1), written);
    }

    [Fact]
    public void LogitsOfNothingAreRefused()
    {
        using Running running = new(this, "fp16");
        Assert.Throws<InvalidOperationException>(() => running.Generator.Logits.Length);
        Assert.Throws<InvalidOperationException>(() => running.Generator.Resume(new float[_model.VocabularySize]));
        running.Generator.Read([1]);
        Assert.Throws<ArgumentException>(() => running.Generator.Resume(new float[3]));
        running.Cache.Clear();
        Assert.Throws<InvalidOperationException>(() => running.Generator.Logits.Length);
    }

    private IReadOnlyList<int> Straight(string codec, int firstPart)
    {
        using Running running = new(this, codec);
        running.Generator.Read(_prompt.AsSpan(0, firstPart));
        if (firstPart < _prompt.Length) running.Generator.Read(_prompt.AsSpan(firstPart));
        return running.Generator.Write(Tokens).Tokens;
    }

    // A window of a few tokens, so that most of what is read and written is compressed when it is used.
    private KvCacheOptions Options(string codec) => new()
    {
        Geometry = _model.CacheGeometry,
        Policy = LayerPolicy.Uniform(_model.Config.Layers, CodecSpec.Parse(codec), CodecSpec.Parse(codec)),
        Window = 8,
        Sinks = 2,
    };

    private sealed class Running : IDisposable
    {
        private readonly CompressedAttention _attention;

        public Running(ContinuationTests tests, string codec)
            : this(tests, new KvCache(tests.Options(codec)))
        {
        }

        public Running(ContinuationTests tests, KvCache cache)
        {
            Cache = cache;
            _attention = new CompressedAttention(cache);
            Generator = new TextGenerator(tests._model, tests._tokenizer, _attention);
        }

        public KvCache Cache { get; }

        public TextGenerator Generator { get; }

        public void Dispose()
        {
            Generator.Dispose();
            _attention.Dispose();
            Cache.Dispose();
        }
    }
}
