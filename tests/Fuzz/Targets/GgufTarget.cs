using Kvant.Models.Formats;
using Kvant.Models.Gguf;

namespace Kvant.Fuzz.Targets;

/// <summary>GGUF: every value of the metadata as text, and the last block of every tensor.</summary>
internal static class GgufTarget
{
    // A file that says that it is one part of several is refused by what the others lack, which may be that they are not there.
    internal static FuzzTarget Target { get; } = new("gguf", Corpus, Read, static e => e is InvalidDataException or FileNotFoundException);

    private static byte[][] Corpus() =>
    [
        GgufSample.Build(writer =>
        {
            writer.Add("general.architecture", "llama");
            writer.Add("a.flag", true);
            writer.Add("a.count", 7u);
            writer.Add("a.number", 1.5f);
            writer.Add("a.texts", (string[])["one", "", "drei"]);
            writer.Add("a.numbers", (float[])[1, 2]);
            writer.Add("a.integers", (int[])[3, 4, 5]);
            writer.AddTensor("t", [1, 2, 3, 4, 5, 6], 3, 2);
            writer.AddTensor("q", TensorFormat.Parse("Q8_0"), new byte[68], 32, 2);
        }),
    ];

    private static void Read(FuzzInput input)
    {
        using GgufFile file = GgufFile.Open(input.Path);
        foreach (GgufValue value in file.Metadata.Values)
            value.ToString();
        float[] numbers = new float[256];
        foreach (GgufTensor tensor in file.Tensors)
            tensor.Format.Dequantize(file.Bytes(tensor, tensor.ByteLength - tensor.Format.BlockBytes, tensor.Format.BlockBytes), numbers.AsSpan(0, tensor.Format.BlockLength));
    }
}
