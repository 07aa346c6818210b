using Kvant.Formats;
using Kvant.Tests.Formats;

namespace Kvant.Fuzz.Targets;

/// <summary>Safetensors: the header, every tensor's bytes and its last numbers.</summary>
internal static class SafetensorsTarget
{
    internal static FuzzTarget Target { get; } = new("safetensors", Corpus, Read, static e => e is InvalidDataException);

    private static byte[][] Corpus()
    {
        using TemporaryFolder folder = new();
        TensorDeclaration[] tensors = [new("half", ElementType.F16, [2, 3]), new("bytes", ElementType.U8, [4]), new("brain", ElementType.BF16, [1, 2])];
        using (SafetensorsWriter writer = SafetensorsWriter.Create(folder.File("written"), tensors, new Dictionary<string, string> { ["note"] = "\u00e9 \"quoted\"" }))
        {
            foreach (int length in (int[])[12, 4, 4])
                writer.Write(new byte[length]);
            writer.Commit();
        }

        return [SafetensorsSamples.Small, File.ReadAllBytes(folder.File("written"))];
    }

    private static void Read(FuzzInput input)
    {
        using SafetensorsFile file = SafetensorsFile.Open(input.Path);
        Span<float> numbers = stackalloc float[16];
        foreach (TensorInfo tensor in file.Tensors)
        {
            file.Bytes(tensor);
            int count = (int)Math.Min(numbers.Length, tensor.ElementCount);
            if (tensor.ElementType is not (ElementType.U8 or ElementType.I32))
                file.ReadSingles(tensor, tensor.ElementCount - count, numbers[..count]);
        }
    }
}
