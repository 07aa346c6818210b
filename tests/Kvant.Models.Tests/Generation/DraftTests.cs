using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Tests.Decoding;
using Kvant.Models.Tokenizers;

namespace Kvant.Models.Tests.Generation;

/// <summary>A text is the same with guesses and without, token by token, and so are the bytes of the cache behind it, whatever it does with its rows.</summary>
public sealed class DraftTests : IDisposable
{
    // The prompt, a passage said twice, and the text together pass the 128 rows from which codecs learn.
    private const int Passage = 40, Tokens = 100, Window = 8, Sinks = 2;

    private readonly LanguageModel _model = LanguageModel.Open(Goldens.Model("mini.gguf"));
    private readonly Tokenizer _tokenizer;
    private readonly int[] _prompt;

    public DraftTests()
    {
        _tokenizer = Tokenizer.Read(_model.File);
        int[] passage = LogitGolden.Read("mini").Prompt[1..(Passage + 1)];
        _prompt = [.. passage, .. passage, .. passage[..10]];
    }

    public static TheoryData<string> Policies => [.. CachePreset.All.Select(p => p.Name), .. CodecCatalog.Methods.Select(m => m.Name), "turboquant:bits=3,mean=32", "kivi:bits=2,group=64", "q4_0:frame=balanced,mean=128"];

    public static TheoryData<int> Histories => [.. Enumerable.Range(0, s_histories.Length)];

    private static readonly Func<KvCacheOptions, KvCacheOptions>[] s_histories =
    [
        o => o with { Window = 0, Sinks = 0 },
        o => o with { Window = 64, Sinks = 4 },
        o => o with { Window = 200 },
        o => o with { DraftTokens = 3 },
        o => o with { Eviction = new Eviction.Newest(50) },
        o => o with { Eviction = new Eviction.MaxTokens(33) },
        o => o with { WindowCodec = CodecSpec.Parse("fp32") },
        o => o with { Policy = new LayerPolicy([.. Enumerable.Range(0, o.Geometry.Layers).Select(l => l % 2 == 0 ? new LayerSpecs(CodecSpec.Parse("fp16"), CodecSpec.Parse("q8")) : o.Policy[l])]) },
    ];

    public void Dispose() => _model.Dispose();

    [Theory, MemberData(nameof(Policies))]
    public void GreedyTextIsTheSameWithEveryPolicy(string policy)
    {
        KvCacheOptions options = Options(policy);
        Outcome without = Write(options, 0), with = Write(options, 5);
        RequireSame(without, with);
        Assert.Equal((Tokens, 0), (without.Text.Steps, without.Text.Guesses));
        // Some guesses were right, and some wrong: both were tried.
        Assert.InRange(with.Text.Steps, 1, Tokens - 1);
        Assert.True(with.Text.Guesses > Tokens - with.Text.Steps, $"{with.Text.Guesses} guesses, {with.Text.Steps} steps");
    }

    [Theory, MemberData(nameof(Histories))]
    public void TextIsTheSameHoweverTheCacheForgets(int history)
    {
        KvCacheOptions options = s_histories[history](Options("balanced"));
        foreach (int drafts in (int[])[1, 5, 20]) RequireSame(Write(options, 0), Write(options, drafts));
    }

    // The choice of each token draws as many random numbers as it would have drawn alone, in the same order.
    [Theory]
    [InlineData(Arithmetic.Fast)]
    [InlineData(Arithmetic.Exact)]
    public void SampledTextIsTheSameWithASeed(Arithmetic arithmetic)
    {
        var sampling = new SamplerOptions { Temperature = 0.5, TopP = 0.9, RepetitionPenalty = 1.05, RecentTokens = 16, Seed = 3 };
        Outcome without = Write(Options("balanced"), 0, arithmetic, sampling), with = Write(Options("balanced"), 5, arithmetic, sampling);
        RequireSame(without, with);
        Assert.InRange(with.Text.Steps, 1, Tokens - 1);
        Assert.NotEqual(Write(Options("balanced"), 0, arithmetic).Text.Tokens, without.Text.Tokens);
    }

    [Fact]
    public void WritingGoesOnWhereItStopped()
    {
        KvCacheOptions options = Options("balanced");
        Outcome without = Write(options, 0);
        foreach (int part in (int[])[1, 2, 3, 7, 31]) RequireSame(without, Write(options, 6, part: part));
    }

    [Fact]
    public void AReceiverThatCancelsOrFailsLeavesWhatItWasGiven()
    {
        IReadOnlyList<int> straight = Write(Options("balanced"), 0).Text.Tokens;
        for (int stop = 1; stop < 30; stop++)
        {
            using Running running = new(this, Options("balanced"), 6);
            running.Generator.Read(_prompt);
            using CancellationTokenSource source = new();
            int pieces = 0;
            GeneratedText canceled = running.Generator.Write(Tokens, _ => Count(source.Cancel), source.Token);
            Assert.Equal(GenerationEnd.Canceled, canceled.End);
            Assert.Equal(_prompt.Length + canceled.Tokens.Count, running.Generator.Position);
            Assert.Equal(straight.Skip(canceled.Tokens.Count).Take(10), running.Generator.Write(10).Tokens);

            pieces = 0;
            int before = running.Generator.Position;
            Assert.Throws<FormatException>(() => running.Generator.Write(Tokens, _ => Count(() => throw new FormatException())));
            // But for a token that was chosen and not read, what was written is there, and nothing of a guess.
            int read = running.Generator.Position - before;
            Assert.InRange(read, 0, Tokens);
            Assert.Equal(straight.Skip(before - _prompt.Length + read).Take(3), running.Generator.Write(3).Tokens);

            void Count(Action atStop)
            {
                if (++pieces == stop) atStop();
            }
        }
    }

    [Fact]
    public void TextEndsWhereTheModelOrTheContextDoes()
    {
        IReadOnlyList<int> straight = Write(Options("fp16"), 0).Text.Tokens;
        using Running running = new(this, Options("fp16"), 9);
        int context = _model.Config.ContextLength;
        for (int i = 0; i < (context / _prompt.Length) - 1; i++) running.Generator.Read(_prompt);
        GeneratedText text = running.Generator.Write(context);
        Assert.True(text.Steps < text.Tokens.Count);
        if (text.End == GenerationEnd.Context) Assert.Equal(context, running.Generator.Position);
        else Assert.True(_tokenizer.IsEnd(text.Tokens[^1]));
        Assert.Equal(GenerationEnd.Limit, Write(Options("fp16"), 9).Text.End);
        Assert.Equal(straight, Write(Options("fp16"), 9).Text.Tokens);
    }

    // What is on trial needs pages of its own; where a pool has none left, tokens are read one by one.
    [Fact]
    public void AFullPoolIsNoReasonToStop()
    {
        using var unlimited = new PagePool();
        KvCacheOptions options = Options("balanced") with { Pool = unlimited };
        Outcome without = Write(options, 0);
        long needed;
        using (Running running = new(this, options, 0))
        {
            running.Generator.Read(_prompt);
            running.Generator.Write(Tokens);
            needed = unlimited.UsedBytes;
        }
        using var limited = new PagePool(needed);
        Outcome with = Write(options with { Pool = limited }, 5);
        RequireSame(without, with);
        Assert.Equal((Tokens, 0), (with.Text.Steps, with.Text.Guesses));
        Assert.Equal(0, limited.UsedBytes);
    }

    [Fact]
    public void DraftsThatCannotBeAreRefused()
    {
        using KvCache cache = new(Options("fp16"));
        using CompressedAttention attention = new(cache);
        var decoding = new DecoderOptions { Batch = 8 };
        Assert.Throws<ArgumentOutOfRangeException>(() => new TextGenerator(_model, _tokenizer, attention, decoding) { Drafts = -1 });
        Assert.Contains("0 to 7", Assert.Throws<ArgumentOutOfRangeException>(() => new TextGenerator(_model, _tokenizer, attention, decoding) { Drafts = 8 }).Message, StringComparison.Ordinal);
        Assert.Contains(nameof(ExactAttention), Assert.Throws<ArgumentException>(() => new TextGenerator(_model, _tokenizer, new ExactAttention(_model.Config, 8)) { Drafts = 1 }).Message, StringComparison.Ordinal);
        using TextGenerator most = new(_model, _tokenizer, attention, decoding) { Drafts = 7 };
        Assert.Equal(7, most.Drafts);
    }

    private static void RequireSame(Outcome without, Outcome with)
    {
        Assert.Equal(without.Tokens, with.Tokens);
        Assert.Equal(without.Logits, with.Logits);
        Assert.True(without.Cache.AsSpan().SequenceEqual(with.Cache), "the cache has other bytes");
    }

    private Outcome Write(KvCacheOptions options, int drafts, Arithmetic arithmetic = Arithmetic.Fast, SamplerOptions? sampling = null, int part = Tokens)
    {
        using Running running = new(this, options, drafts, arithmetic, sampling);
        running.Generator.Read(_prompt);
        List<int> tokens = [];
        GeneratedText text;
        do tokens.AddRange((text = running.Generator.Write(Math.Min(part, Tokens - tokens.Count))).Tokens);
        while (tokens.Count < Tokens && text.End == GenerationEnd.Limit);
        return new Outcome(text, tokens, running.Generator.Logits.ToArray(), running.Cache.Freeze());
    }

    private KvCacheOptions Options(string policy) => _model.CacheOptions(CachePreset.Find(policy) is { } preset
        ? preset.ForLayers(_model.Config.Layers)
        : LayerPolicy.Uniform(_model.Config.Layers, CodecSpec.Parse(policy), CodecSpec.Parse(policy))) with
    { Window = Window, Sinks = Sinks };

    private sealed record Outcome(GeneratedText Text, List<int> Tokens, float[] Logits, byte[] Cache);

    private sealed class Running : IDisposable
    {
        private readonly CompressedAttention _attention;

        public Running(DraftTests tests, KvCacheOptions options, int drafts, Arithmetic arithmetic = Arithmetic.Fast, SamplerOptions? sampling = null)
        {
            Cache = new KvCache(options);
            _attention = new CompressedAttention(Cache);
            Generator = new TextGenerator(tests._model, tests._tokenizer, _attention, new DecoderOptions { Arithmetic = arithmetic }, sampling) { Drafts = drafts };
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
