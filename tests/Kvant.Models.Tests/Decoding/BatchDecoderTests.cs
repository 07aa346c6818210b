using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Models.Formats;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Decoding;

public sealed class BatchDecoderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string, bool> Cases => [.. TinyModels.All.Keys.Append("mini").SelectMany(n => ((string[])["fp16", "turboquant:bits=4"]).Select(c => (n, c, false))), ("llama", "turboquant:bits=4", true), ("qwen3", "fp16", true)];

    public void Dispose() => _folder.Dispose();

    // Sequences of different lengths, of which one comes later and one ends: each has the bits of a decoder of its own.
    [Theory, MemberData(nameof(Cases))]
    public void EachSequenceHasTheLogitsOfADecoderOfItsOwn(string name, string codec, bool copied)
    {
        using LanguageModel model = copied ? OpenStored(name, "Q4_K") : Open(name);
        if (copied) Assert.InRange(model.CopyWeights(), 1, long.MaxValue);
        DecoderOptions options = new() { Arithmetic = Arithmetic.Fast, Batch = 32 };
        using BatchDecoder batch = new(model, options);
        Sequence[] all = [.. Enumerable.Range(0, 4).Select(i => new Sequence(model, codec, options, seed: i, prompt: 3 + (29 * i)))];
        try
        {
            foreach (Sequence sequence in all) sequence.Begin(batch);
            for (int step = 0; step < 90; step++)
            {
                Sequence[] now = [.. all.Where((_, i) => i != 2 || step is > 10 and < 60)];
                float[] logits = new float[now.Length * model.VocabularySize];
                batch.Step([.. now.Select(s => s.Cache)], [.. now.Select(s => s.Next)], logits);
                for (int i = 0; i < now.Length; i++) now[i].Check(logits.AsSpan(i * model.VocabularySize, model.VocabularySize));
            }
        }
        finally
        {
            foreach (Sequence sequence in all) sequence.Dispose();
        }
    }

    // So many that products go by panels: the same numbers but for the order in which floats add up.
    [Theory, InlineData(Arithmetic.Exact), InlineData(Arithmetic.Fast)]
    public void ManySequencesHaveTheSameLogitsButForRounding(Arithmetic arithmetic)
    {
        using LanguageModel model = Open("mini");
        DecoderOptions options = new() { Arithmetic = arithmetic, Batch = 16, Threads = 2 };
        using BatchDecoder batch = new(model, options);
        Sequence[] all = [.. Enumerable.Range(0, 12).Select(i => new Sequence(model, "fp32", options, seed: i, prompt: 5 + i))];
        try
        {
            foreach (Sequence sequence in all) sequence.Begin(batch);
            float[] logits = new float[all.Length * model.VocabularySize];
            for (int step = 0; step < 5; step++)
            {
                batch.Step([.. all.Select(s => s.Cache)], [.. all.Select(s => s.Next)], logits);
                for (int i = 0; i < all.Length; i++) all[i].Check(logits.AsSpan(i * model.VocabularySize, model.VocabularySize), Tolerances.Logits);
            }
        }
        finally
        {
            foreach (Sequence sequence in all) sequence.Dispose();
        }
    }

    [Fact]
    public void WhatDoesNotFitIsRefusedAndNothingIsRead()
    {
        using LanguageModel model = Open("llama"), other = Open("mini");
        using BatchDecoder batch = new(model, new DecoderOptions { Batch = 2 });
        using KvCache a = Cache(model, "fp16"), b = Cache(model, "fp16"), c = Cache(model, "fp16"), foreign = Cache(other, "fp16");
        float[] logits = new float[3 * model.VocabularySize];
        Memory<float> one = logits.AsMemory(0, model.VocabularySize), two = logits.AsMemory(0, 2 * model.VocabularySize);
        batch.Read(a, [1, 2, 3]);
        Assert.Contains("at most 2", Assert.Throws<ArgumentException>(() => batch.Step([a, b, c], [1, 2, 3], logits)).Message, StringComparison.Ordinal);
        Assert.Contains("1 caches and 2 tokens", Assert.Throws<ArgumentException>(() => batch.Step([a], [1, 2], two)).Message, StringComparison.Ordinal);
        Assert.Contains("cache 1 stands there twice", Assert.Throws<ArgumentException>(() => batch.Step([a, a], [1, 2], two)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => batch.Step([a, b], [1, 2], one));
        Assert.Throws<ArgumentException>(() => batch.Step([], [], default));
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Step([a, b], [1, model.VocabularySize], two));
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Read(b, [-1]));
        Assert.Throws<InvalidOperationException>(() => batch.Step([a, foreign], [1, 2], two));
        Assert.Throws<InvalidOperationException>(() => batch.Read(foreign, [1]));
        Assert.Equal((3, 0, 0), (a.Length, b.Length, foreign.Length));
        batch.Step([b, a], [5, 6], two);
        Assert.Equal((4, 1), (a.Length, b.Length));
        batch.Dispose();
        Assert.Throws<ObjectDisposedException>(() => batch.Step([a], [1], one));
    }

    // A window that has forgotten cannot be cut back to where it stands, and need not be: what is said is what was wrong.
    [Fact]
    public void RefusedTokenIsNamedBehindAWindowThatForgets()
    {
        using LanguageModel model = Open("gemma3");
        using BatchDecoder batch = new(model, new DecoderOptions { Batch = 16 });
        using KvCache cache = Cache(model, "fp16");
        float[] logits = new float[model.VocabularySize];
        for (int i = 0; i < 400; i++) batch.Step([cache], [i % 50], logits);
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Step([cache], [model.VocabularySize], logits));
        Assert.Throws<ArgumentException>(() => batch.Step([cache], [1], default));
        Assert.Equal(400, cache.Length);
    }

    // The second sequence has no memory left in the middle of a step: the first one forgets the token again, too.
    [Fact]
    public void StepThatFailsTakesBackWhatItHadRead()
    {
        using LanguageModel model = Open("mini");
        using BatchDecoder batch = new(model, new DecoderOptions { Arithmetic = Arithmetic.Fast });
        using KvCache first = Cache(model, "fp16");
        int[] prompt = [.. Enumerable.Range(1, 70)];
        using PagePool trial = new();
        using (KvCache cache = Cache(model, "fp16", trial)) batch.Read(cache, prompt);
        using PagePool pool = new(trial.AllocatedBytes);
        using KvCache second = Cache(model, "fp16", pool), untouched = Cache(model, "fp16");
        batch.Read(first, prompt);
        batch.Read(second, prompt);
        batch.Read(untouched, prompt);
        float[] logits = new float[2 * model.VocabularySize], again = new float[model.VocabularySize], wanted = new float[model.VocabularySize];
        int length = prompt.Length;
        while (Record.Exception(() => batch.Step([first, second], [9, 9], logits)) is null)
        {
            batch.Step([untouched], [9], wanted);
            Assert.InRange(++length, 0, 10_000);
        }

        Assert.Equal((length, length), (first.Length, second.Length));
        batch.Step([first], [9], again);
        batch.Step([untouched], [9], wanted);
        Assert.Equal(wanted, again);
    }

    [Fact]
    public void StepsAllocateNothing()
    {
        using LanguageModel model = Open("mini");
        using BatchDecoder batch = new(model, new DecoderOptions { Arithmetic = Arithmetic.Fast, Threads = 2 });
        KvCache[] caches = [Cache(model, "fp16"), Cache(model, "fp16")];
        float[] logits = new float[2 * model.VocabularySize];
        int[] tokens = [4, 5];
        for (int i = 0; i < 200; i++) batch.Step(caches, tokens, logits);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++) batch.Step(caches, tokens, logits);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        foreach (KvCache cache in caches) cache.Dispose();
    }

    private LanguageModel Open(string name)
    {
        string path = Goldens.Model(name + ".gguf");
        if (TinyModels.All.ContainsKey(name)) TinyModels.Write(path = _folder.File(name), name);
        return LanguageModel.Open(path);
    }

    private LanguageModel OpenStored(string name, string format)
    {
        TinyModels.CreateStored(name, TensorFormat.Parse(format)).Save(_folder.File(name));
        return LanguageModel.Open(_folder.File(name));
    }

    private static KvCache Cache(LanguageModel model, string codec, PagePool? pool = null) =>
        new(model.CacheOptions(LayerPolicy.Uniform(model.Config.Layers, CodecSpec.Parse(codec), CodecSpec.Parse(codec))) with { Window = 16, Sinks = 4, Pool = pool });

    private sealed class Sequence : IDisposable
    {
        private readonly KvCache _own;
        private readonly CompressedAttention _attention;
        private readonly Decoder _decoder;
        private readonly int[] _prompt;
        private readonly float[] _logits;
        private readonly Random _random;

        public Sequence(LanguageModel model, string codec, DecoderOptions options, int seed, int prompt)
        {
            (Cache, _own) = (BatchDecoderTests.Cache(model, codec), BatchDecoderTests.Cache(model, codec));
            _attention = new CompressedAttention(_own);
            _decoder = new Decoder(model, _attention, options);
            _random = new Random(seed);
            _prompt = [.. Enumerable.Range(0, prompt).Select(_ => _random.Next(model.VocabularySize))];
            _logits = new float[model.VocabularySize];
        }

        public KvCache Cache { get; }

        public int Next { get; private set; }

        public void Begin(BatchDecoder batch)
        {
            float[] logits = new float[_logits.Length];
            batch.Read(Cache, _prompt.AsSpan(0, 2));
            batch.Read(Cache, _prompt.AsSpan(2), logits);
            _decoder.Read(_prompt.AsSpan(0, 2));
            _decoder.Forward(_prompt.AsSpan(2), _logits);
            Assert.Equal(_logits, logits);
            Next = _random.Next(_logits.Length);
        }

        public void Check(ReadOnlySpan<float> logits, double tolerance = 0)
        {
            _decoder.Forward([Next], _logits);
            for (int i = 0; i < logits.Length; i++) Assert.Equal(_logits[i], logits[i], tolerance);
            Next = _random.Next(_logits.Length);
        }

        public void Dispose()
        {
            _decoder.Dispose();
            _attention.Dispose();
            _own.Dispose();
            Cache.Dispose();
        }
    }
}
