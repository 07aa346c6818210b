using Kvant.Models.Formats;
using Kvant.Models.Gguf;
using Kvant.Tests.Formats;

namespace Kvant.Models.Tests.Gguf;

/// <summary>GGUF files built with the writer, and byte by byte for lies that the writer cannot tell.</summary>
internal static class GgufSamples
{
    /// <summary>Every kind of metadata and two tensors: the file on which flips and truncations are tried.</summary>
    internal static byte[] Small { get; } = Build(writer =>
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
    });

    internal static byte[] Build(Action<GgufWriter> fill)
    {
        using TemporaryFolder folder = new();
        GgufWriter writer = new();
        fill(writer);
        writer.Save(folder.File("built"));
        return File.ReadAllBytes(folder.File("built"));
    }

    /// <summary>A file from its parts: <see cref="uint"/>, <see cref="ulong"/>, text with its length in front, and raw bytes.</summary>
    internal static byte[] Raw(params ReadOnlySpan<object> parts)
    {
        List<byte> bytes = [.. "GGUF"u8];
        foreach (object part in parts)
        {
            bytes.AddRange(part switch
            {
                int number => BitConverter.GetBytes(number),
                long number => BitConverter.GetBytes(number),
                ulong number => BitConverter.GetBytes(number),
                string text => [.. BitConverter.GetBytes((long)text.Length), .. System.Text.Encoding.UTF8.GetBytes(text)],
                byte[] raw => raw,
                _ => throw new ArgumentException(part.ToString()),
            });
        }
        return [.. bytes];
    }
}
