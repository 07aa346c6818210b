using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Models.Decoding;
using Kvant.Models.Generation;
using Kvant.Models.Tests.Decoding;
using Kvant.Models.Tests.Tokenizers;
using Kvant.Models.Tokenizers;
using StringBuilder = System.Text.StringBuilder;

namespace Kvant.Models.Tests.Generation;

public sealed class TextGeneratorTests : IDisposable
{
    private readonly LanguageModel _model = LanguageModel.Open(Goldens.Model("mini.gguf"));
    private readonly LogitGolden _golden = LogitGolden.Read("mini");
    private readonly Tokenizer _tokenizer;

    public TextGeneratorTests() => _tokenizer = Tokenizer.Read(_model.File);

    public void Dispose() => _model.Dispose();

    [Fact]
    public void TextComesInPiecesAndIsThatOfLlamaCpp()
    {
        using TextGenerator generator = Create(batch: 7);
        List<double> shares = [];
        TokenSpeed read = generator.Read(_golden.Prompt, shares.Add);
        Assert.Equal(_golden.Prompt.Length, read.Tokens);
        Assert.Equal((_golden.Prompt.Length + 6) / 7, shares.Count);
        Assert.Equal(1, shares[^1]);
        StringBuilder pieces = new();
        GeneratedText written = generator.Write(_golden.Greedy.Length, piece => pieces.Append(piece));
        Assert.Equal(_golden.Greedy, written.Tokens);
        Assert.Equal(written.Text, pieces.ToString());
        Assert.Equal(_tokenizer.Decode(_golden.Greedy), written.Text);
        Assert.Equal((GenerationEnd.Limit, _golden.Greedy.Length), (written.End, written.Speed.Tokens));
        Assert.Equal(_golden.Prompt.Length + _golden.Greedy.Length, generator.Position);
    }

    // What was written is read too: going on is the same as never having stopped.
    [Fact]
    public void WritingGoesOnWhereItStopped()
    {
        using TextGenerator generator = Create();
        generator.Read(_golden.Prompt.AsSpan(0, 50));
        generator.Read(_golden.Prompt.AsSpan(50));
        List<int> tokens = [.. generator.Write(80).Tokens, .. generator.Write(0).Tokens, .. generator.Write(120).Tokens];
        Assert.Equal(_golden.Greedy, tokens);
    }

    [Fact]
    public void CanceledWritingKeepsWhatIsThere()
    {
        using CancellationTokenSource source = new();
        using TextGenerator generator = Create();
        generator.Read(_golden.Prompt);
        GeneratedText written = generator.Write(100, _ => source.Cancel(), source.Token);
        Assert.Equal((GenerationEnd.Canceled, 1), (written.End, written.Tokens.Count));
        Assert.Throws<OperationCanceledException>(() => generator.Read([1], cancellation: source.Token));
    }

    [Fact]
    public void WritingNeedsAPrompt()
    {
        using TextGenerator generator = Create();
        Assert.Throws<InvalidOperationException>(() => generator.Write(1));
        Assert.Throws<ArgumentException>(() => generator.Read([]));
        Assert.Throws<ArgumentOutOfRangeException>(() => generator.Read([-1]));
        Assert.Throws<InvalidOperationException>(() => generator.Write(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => generator.Write(-1));
    }

    [Fact]
    public void TokenThatEndsTheTextEndsTheWritingWithoutBeingText()
    {
        using TextGenerator generator = new(_model, _tokenizer, new NoAttention(), new DecoderOptions { BeyondContext = true }, sampling: new SamplerOptions { Temperature = 1e4, Seed = 1 });
        generator.Read(_golden.Prompt);
        // So hot a sampler says every token sooner or later, the end too.
        GeneratedText written = generator.Write(10_000);
        Assert.Equal(GenerationEnd.Model, written.End);
        Assert.True(_tokenizer.IsEnd(written.Tokens[^1]));
        Assert.DoesNotContain("</s>", written.Text, StringComparison.Ordinal);
        Assert.Equal(written.Tokens.Count + _golden.Prompt.Length, generator.Position);
    }

    [Fact]
    public void TokenizerOfAnotherModelIsRefused()
    {
        Tokenizer other = TokenizerSamples.Open("gpt-2");
        Assert.Throws<ArgumentException>(() => new TextGenerator(_model, other, new ExactAttention(_model.Config, 1)));
    }

    [Fact]
    public void LogitsOfTokensThatWereReplacedAreNotUsed()
    {
        CodecSpec exact = CodecSpec.Parse("fp32");
        using var cache = new KvCache(_model.CacheOptions(LayerPolicy.Uniform(_model.Config.Layers, exact, exact)));
        using var attention = new CompressedAttention(cache);
        using TextGenerator generator = new(_model, _tokenizer, attention);
        generator.Read(_golden.Prompt.AsSpan(0, 20));
        cache.Truncate(20);
        Assert.Equal(_tokenizer.Count, generator.Logits.Length);
        cache.Truncate(15);
        using (Decoder other = new(_model, attention))
            other.Read(_golden.Prompt.AsSpan(30, 5));
        Assert.Equal(20, generator.Position);
        Assert.Throws<InvalidOperationException>(() => generator.Write(1));
        Assert.Throws<InvalidOperationException>(() => generator.Logits.Length);
        generator.Read(_golden.Prompt.AsSpan(35, 1));
        Assert.Single(generator.Write(1).Tokens);
    }

    [Fact]
    public void TextEndsWhereTheContextDoes()
    {
        using TextGenerator generator = new(_model, _tokenizer, new NoAttention());
        int context = _model.Config.ContextLength, token = _golden.Prompt[5];
        generator.Read([.. Enumerable.Repeat(token, context - 3)]);
        GeneratedText written = generator.Write(100), none = generator.Write(100);
        Assert.Equal((GenerationEnd.Context, 3, context), (written.End, written.Tokens.Count, generator.Position));
        Assert.Equal((GenerationEnd.Context, 0), (none.End, none.Tokens.Count));
    }

    [Fact]
    public void SecondCallIsRefused()
    {
        Action? call = null;
        Exception? refused = null;
        NoAttention attention = new(() =>
        {
            var other = new Thread(() => refused = Record.Exception(call!));
            other.Start();
            other.Join();
        });
        float[] logits = new float[_tokenizer.Count];
        using Decoder decoder = new(_model, attention);
        using TextGenerator generator = new(_model, _tokenizer, attention);
        foreach (Action second in (Action[])[() => decoder.Read([1]), () => decoder.Forward([1], logits), () => decoder.ForwardEach([1], logits)])
            Check(nameof(Decoder), second, () => decoder.Read([1, 2]));
        foreach (Action second in (Action[])[() => generator.Read([1]), () => generator.Write(1), () => generator.Resume(logits)])
            Check(nameof(TextGenerator), second, () => generator.Read([1, 2]));
        Assert.Equal(12, attention.Length);

        void Check(string owner, Action second, Action first)
        {
            call = second;
            first();
            Assert.Contains($"A call on this {owner} is in progress", Assert.IsType<InvalidOperationException>(refused).Message, StringComparison.Ordinal);
        }
    }

    private TextGenerator Create(int batch = 64) => new(_model, _tokenizer, new ExactAttention(_model.Config, 512), new DecoderOptions { Batch = batch });

    // Of the shipped model, whose keys are two heads of 64 numbers.
    private sealed class NoAttention(Action? meanwhile = null) : IAttention
    {
        public int Length { get; private set; }

        public long Changes => Length;

        public void Require(LanguageModel model)
        {
        }

        public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
        {
            if (layer == 0) Length += keys.Length / (2 * 64);
            outputs.Clear();
            meanwhile?.Invoke();
        }
    }
}
