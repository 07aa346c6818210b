using Kvant.Models.Gguf;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Gguf;

public sealed class GgufFileTests
{
    [Fact]
    public void WhatTheWriterWroteIsReadBack()
    {
        using TemporaryFolder folder = new();
        using GgufFile file = GgufFile.Open(folder.Write("small", GgufSamples.Small));
        Assert.Equal("llama", file.Value("general.architecture").AsText());
        Assert.True(file.Value("a.flag").AsBoolean());
        Assert.Equal(7, file.Value("a.count").AsCount());
        Assert.Equal(1.5f, file.Value("a.number").AsNumber());
        Assert.Equal(["one", "", "drei"], file.Value("a.texts").AsTexts());
        Assert.Equal([1f, 2f], file.Value("a.numbers").AsSingles());
        Assert.Equal([3, 4, 5], file.Value("a.integers").AsIntegers());
        GgufTensor tensor = file.Tensor("t");
        Assert.Equal([3L, 2L], tensor.Shape);
        float[] numbers = new float[6];
        tensor.Format.Dequantize(file.Bytes(tensor, 0, 24), numbers);
        Assert.Equal([1f, 2, 3, 4, 5, 6], numbers);
        Assert.Equal(68, file.Tensor("q").ByteLength);
    }

    [Fact]
    public void ShippedModelsOpen()
    {
        using GgufFile file = GgufFile.Open(Goldens.Model("mini.gguf"));
        Assert.Equal(38, file.Tensors.Count);
        Assert.Equal(28, file.Metadata.Count);
        Assert.Equal(1024, file.Value("tokenizer.ggml.tokens").AsTexts().Length);
    }

    [Fact]
    public void ValuesOfAnotherTypeAreRefusedWithTheirKey()
    {
        using TemporaryFolder folder = new();
        using GgufFile file = GgufFile.Open(folder.Write("small", GgufSamples.Small));
        Assert.Contains("'a.count' holds UInt32", Assert.Throws<InvalidDataException>(() => file.Value("a.count").AsText()).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => file.Value("a.texts").AsText());
        Assert.Throws<InvalidDataException>(() => file.Value("a.texts").AsIntegers());
        Assert.Throws<InvalidDataException>(() => file.Value("a.flag").AsCount());
        Assert.Throws<InvalidDataException>(() => file.Value("none"));
        Assert.Throws<InvalidDataException>(() => file.Tensor("none"));
    }

    [Fact]
    public void BytesOutsideATensorAreRefused()
    {
        using TemporaryFolder folder = new();
        using GgufFile file = GgufFile.Open(folder.Write("small", GgufSamples.Small));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(file.Tensor("t"), 4, 24).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(file.Tensor("t"), -1, 1).Length);
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Bytes(file.Tensor("t"), 0, 24).Length);
    }

    [Fact]
    public void TheWriterRefusesWhatItsReaderWould()
    {
        GgufWriter writer = new();
        writer.Add("k", 1u);
        Assert.Throws<ArgumentException>(() => writer.Add("k", 2u));
        Assert.Throws<ArgumentException>(() => writer.AddTensor("t", [1, 2, 3], 2));
        writer.AddTensor("t", [1, 2], 2);
        Assert.Throws<ArgumentException>(() => writer.AddTensor("t", [1, 2], 2));
    }
}
