using Kvant.Models.Gguf;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Gguf;

public sealed class GgufHostileTests
{
    private static readonly HostileBytes s_hostile = new(ReadAll);

    private static (string Says, byte[] File)[] Lies =>
    [
        ("does not begin with", [1, 2, 3, 4, 5]),
        ("version 2 found, 3 wanted", GgufSamples.Raw(2, 0L, 0L)),
        ("tensors claims", GgufSamples.Raw(3, ulong.MaxValue, 0L)),
        ("entries claims", GgufSamples.Raw(3, 0L, 1L << 40)),
        ("at most", GgufSamples.Raw(3, 0L, 1L << 19, new byte[13 << 19])),
        ("claims", GgufSamples.Raw(3, 0L, 1L, ulong.MaxValue / 2, new byte[20])),
        ("is empty", GgufSamples.Raw(3, 0L, 1L, "", 0, new byte[1])),
        ("value type 13", GgufSamples.Raw(3, 0L, 1L, "k", 13, new byte[8])),
        ("array of arrays", GgufSamples.Raw(3, 0L, 1L, "k", 9, 9, 1L, 9, 1L, new byte[8])),
        ("the length of 'k' claims", GgufSamples.Raw(3, 0L, 1L, "k", 9, 4, 1L << 60, new byte[8])),
        ("'k' appears twice", GgufSamples.Raw(3, 0L, 2L, "k", 0, new byte[1], "k", 0, new byte[1])),
        ("not valid UTF-8", GgufSamples.Raw(3, 0L, 1L, 1L, new byte[] { 0xff }, 0, new byte[8])),
        ("0 dimensions", GgufSamples.Raw(3, 1L, 0L, "t", 0, new byte[64])),
        ("5 dimensions", GgufSamples.Raw(3, 1L, 0L, "t", 5, new byte[64])),
        ("a dimension of 0", GgufSamples.Raw(3, 1L, 0L, "t", 1, 0L, 0, 0L, new byte[64])),
        ("a dimension of 4611686018427387904", GgufSamples.Raw(3, 1L, 0L, "t", 2, 4L, 1L << 62, 0, 0L, new byte[64])),
        ("ggml's type 99", GgufSamples.Raw(3, 1L, 0L, "t", 1, 4L, 99, 0L, new byte[64])),
        ("a multiple of 32", GgufSamples.Raw(3, 1L, 0L, "t", 1, 4L, 8, 0L, new byte[64])),
        ("begins at byte 1048576", GgufSamples.Raw(3, 1L, 0L, "t", 1, 4L, 0, 1L << 20, new byte[64])),
        ("a multiple of 32", GgufSamples.Raw(3, 1L, 0L, "t", 1, 4L, 0, 8L, new byte[64])),
        ("cut short", GgufSamples.Raw(3, 1L, 0L, "t", 1, 64L, 0, 0L, new byte[64])),
        ("overlaps", GgufSamples.Raw(3, 2L, 0L, "t", 1, 16L, 0, 0L, "u", 1, 4L, 0, 32L, new byte[256])),
        ("'t' appears twice", GgufSamples.Raw(3, 2L, 0L, "t", 1, 4L, 0, 0L, "t", 1, 4L, 0, 32L, new byte[256])),
        ("a power of two", GgufSamples.Raw(3, 0L, 1L, "general.alignment", 4, 24)),
        ("a power of two", GgufSamples.Raw(3, 0L, 1L, "general.alignment", 4, 0)),
    ];

    [Fact]
    public void EveryLieIsRefusedWithWhatIsWrong()
    {
        using TemporaryFolder folder = new();
        foreach ((string says, byte[] file) in Lies)
        {
            InvalidDataException error = Assert.Throws<InvalidDataException>(() => ReadAll(folder.Write("lie", file)));
            Assert.Contains(says, error.Message, StringComparison.Ordinal);
            Assert.Contains("at byte", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void EveryFlippedByteIsSurvived() => s_hostile.FlipEveryByte(GgufSamples.Small);

    [Fact]
    public void EveryTruncationInsideTheTensorsIsRefused()
    {
        // The last bytes are padding, which other writers leave away.
        int padding = 60;
        Assert.Equal(0, s_hostile.TruncateToEveryLength(GgufSamples.Small[..^padding]));
    }

    [Fact]
    public void MutantsAreSurvived() => s_hostile.Mutate(GgufSamples.Small, seed: 20260401, count: 3000);

    private static void ReadAll(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        foreach (GgufValue value in file.Metadata.Values) Read(value);
        float[] numbers = new float[256];
        foreach (GgufTensor tensor in file.Tensors)
            tensor.Format.Dequantize(file.Bytes(tensor, tensor.ByteLength - tensor.Format.BlockBytes, tensor.Format.BlockBytes), numbers.AsSpan(0, tensor.Format.BlockLength));
    }

    private static object? Read(GgufValue value) => value.Type switch
    {
        GgufValueType.Text => value.IsArray ? value.AsTexts() : value.AsText(),
        GgufValueType.Float32 => value.IsArray ? value.AsSingles() : value.AsNumber(),
        GgufValueType.UInt32 or GgufValueType.Int32 => value.IsArray ? value.AsIntegers() : value.AsCount(),
        GgufValueType.Boolean when !value.IsArray => value.AsBoolean(),
        _ => null,
    };
}
