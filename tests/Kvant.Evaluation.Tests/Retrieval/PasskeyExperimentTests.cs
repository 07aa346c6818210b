using Kvant.Caching;
using Kvant.Evaluation.Retrieval;
using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;

namespace Kvant.Evaluation.Tests.Retrieval;

public sealed class PasskeyExperimentTests
{
    private const string Filler = "abcdefghij";

    private static readonly LayerSpecs s_fourBits = LayerSpecs.Parse("turboquant:bits=4");

    [Fact]
    public void NumberIsFoundAtEveryDepthByAModelThatCan()
    {
        using InductionFile file = Speaking();
        PasskeyExperiment experiment = Ask(file, "key=");
        IReadOnlyList<RetrievalResult> results = experiment.Run();
        Assert.Equal(["fp32", "turboquant:bits=4", "fp32", "turboquant:bits=4"], results.Select(r => r.Label));
        Assert.Equal([150, 150, 400, 400], results.Select(r => r.Length));
        Assert.All(results, r => Assert.Equal([1, 1, 1, 1], r.RightByDepth));
        Assert.True(results[3].BytesPerToken < results[2].BytesPerToken / 2);
    }

    [Fact]
    public void ModelThatFindsNoNumberWithoutCompressionSaysNothingAboutCodecs()
    {
        using InductionFile file = Speaking();
        IReadOnlyList<RetrievalResult> results = Ask(file, "abc").Run();
        Assert.Equal(["fp32", "fp32"], results.Select(r => r.Label));
        Assert.All(results, r => Assert.Equal(0, r.Right));
    }

    [Fact]
    public void TextHasItsLengthAndTheSentenceStandsAtItsDepth()
    {
        using InductionFile file = Speaking();
        var tokenizer = Tokenizer.Read(file.Model.File);
        PasskeyText text = new(tokenizer, Filler, "key=NNNNN;");
        Assert.Equal("abcdefghijabcdekey=12345;fghijabcdefghij", tokenizer.Decode(text.Hide("12345", 0.5, 38)).Replace("<s>", "", StringComparison.Ordinal));
        int[] begin = text.Hide("12345", 0, 50), end = text.Hide("12345", 1, 50);
        Assert.Equal((50, 50), (begin.Length, end.Length));
        Assert.StartsWith("key=12345;abc", tokenizer.Decode(begin), StringComparison.Ordinal);
        Assert.EndsWith("key=12345;", tokenizer.Decode(end), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => text.Hide("12345", 0, 7));
    }

    private static PasskeyExperiment Ask(InductionFile file, string question) => new()
    {
        Model = file.Model,
        Tokenizer = Tokenizer.Read(file.Model.File),
        Filler = Filler,
        Needle = "key=NNNNN;",
        Question = question,
        Pairs = [LayerSpecs.Parse("fp32"), s_fourBits],
        Lengths = [150, 400],
        Depths = 4,
    };

    // An induction model that reads letters, digits and the word "key=".
    private static InductionFile Speaking()
    {
        string[] tokens = ["<unk>", "<s>", "key=", ";", .. "0123456789abcdefghij".Select(c => c.ToString())];
        return new InductionFile(64, tokens.Length, Describe);

        void Describe(GgufWriter writer)
        {
            writer.Add("tokenizer.ggml.model", "llama");
            writer.Add("tokenizer.ggml.tokens", tokens);
            writer.Add("tokenizer.ggml.scores", new float[tokens.Length]);
            writer.Add("tokenizer.ggml.token_type", [2, 3, 4, .. Enumerable.Repeat(1, tokens.Length - 3)]);
            writer.Add("tokenizer.ggml.unknown_token_id", 0u);
            writer.Add("tokenizer.ggml.bos_token_id", 1u);
            writer.Add("tokenizer.ggml.add_space_prefix", false);
        }
    }
}
