using Kvant.Cli.Pulling;

namespace Kvant.Cli.Tests.Pulling;

public sealed class ModelNameTests
{
    [Theory]
    [InlineData("owner/repo/model.gguf", "owner/repo", "model.gguf", null)]
    [InlineData("owner/repo/sub/model.gguf", "owner/repo", "sub/model.gguf", null)]
    [InlineData("owner/repo:Q8_0", "owner/repo", null, "Q8_0")]
    [InlineData("owner/repo", "owner/repo", null, "Q4_K_M")]
    [InlineData("hf.co/owner/repo:IQ4_XS", "owner/repo", null, "IQ4_XS")]
    [InlineData("https://example.org/a/b/model.gguf", "example.org/a/b", "model.gguf", null)]
    [InlineData("http://127.0.0.1:8080/model.gguf?download=true", "127.0.0.1_8080", "model.gguf", null)]
    public void NamesAreRead(string text, string place, string? file, string? weights)
    {
        ModelName name = ModelName.Find(text)!;
        Assert.Equal((place, file, weights, text.StartsWith("http", StringComparison.Ordinal)), (name.Place, name.File, name.Weights, name.Address is not null));
    }

    [Theory]
    [InlineData("")]
    [InlineData("model")]
    [InlineData("model.gguf")]
    [InlineData("folder/model.gguf")] // a file that is missing, more likely than a repository
    [InlineData("owner/repo/model.safetensors")]
    [InlineData("owner/repo:")]
    [InlineData("owner/../model.gguf")]
    [InlineData("../owner/model.gguf")]
    [InlineData("/owner/repo/model.gguf")]
    [InlineData("owner//model.gguf")]
    [InlineData("owner/repo/..")]
    [InlineData("owner/repo\\..\\x/model.gguf")]
    [InlineData("owner/repo/mo\ndel.gguf")]
    [InlineData("owner/repo/model.gguf:Q8_0")]
    [InlineData("https://example.org/")]
    [InlineData("https://example.org/model.bin")]
    [InlineData("https://user:word@example.org/model.gguf")]
    [InlineData("https://example.org/a/%2e%2e%2fb/model.gguf")]
    [InlineData("ftp://example.org/model.gguf")]
    public void WhatIsNoneIsNotRead(string text) => Assert.Null(ModelName.Find(text));

    [Theory]
    [InlineData("Q4_K_M", "model-Q4_K_M.gguf", true)]
    [InlineData("Q4_K_M", "sub/model.q4_k_m.gguf", true)]
    [InlineData("Q4_K_M", "Q4_K_M/model-Q4_K_M-00001-of-00002.gguf", true)]
    [InlineData("Q4_K_M", "model-UD-Q4_K_M_XL.gguf", false)]
    [InlineData("Q4_K_M", "Q4_K_M/model.gguf", false)]
    [InlineData("Q4_K_M", "modelQ4_K_M.gguf", false)]
    [InlineData("Q4_0", "model-Q4_0.txt", false)]
    public void WeightsAreFoundInNames(string weights, string file, bool means) => Assert.Equal(means, ModelName.Find($"owner/repo:{weights}")!.Means(file));

    [Fact]
    public void PartsOfASplitFileAreNamed()
    {
        Assert.Equal(["a/m-00001-of-00003.gguf", "a/m-00002-of-00003.gguf", "a/m-00003-of-00003.gguf"], ModelName.Parts("a/m-00002-of-00003.gguf"));
        Assert.Equal(["m-00001-of-99999.gguf"], ModelName.Parts("m-00001-of-99999.gguf"));
        Assert.Equal(["m.gguf"], ModelName.Parts("m.gguf"));
    }
}
