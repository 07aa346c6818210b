using System.Text;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

public sealed class SafetensorsHostileTests
{
    private static readonly HostileBytes s_hostile = new(ReadAll);

    [Fact]
    public void EveryFlippedByteIsSurvived() => s_hostile.FlipEveryByte(SafetensorsSamples.Small);

    [Fact]
    public void EveryTruncationIsRefused() => Assert.Equal(0, s_hostile.TruncateToEveryLength(SafetensorsSamples.Small));

    [Fact]
    public void MutantsAreSurvived() => s_hostile.Mutate(SafetensorsSamples.Small, seed: 20260101, count: 3000);

    [Fact]
    public void ManySmallEntriesAllocateInProportionToTheFile()
    {
        StringBuilder header = new("{\"__metadata__\":{");
        for (int i = 0; i < 20_000; i++) header.Append(i == 0 ? "" : ",").Append($"\"{i}\":\"\"");
        header.Append('}');
        for (int i = 0; i < 20_000; i++) header.Append($",\"{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        byte[] file = SafetensorsSamples.Build(header.Append('}').ToString(), 0);
        using TemporaryFolder folder = new();
        string path = folder.Write("many", file);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ReadAll(path);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 32L * file.Length);
    }

    private static void ReadAll(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Span<float> numbers = stackalloc float[16];
        foreach (TensorInfo tensor in file.Tensors)
        {
            file.Bytes(tensor);
            int count = (int)Math.Min(numbers.Length, tensor.ElementCount);
            if (tensor.ElementType is not (ElementType.U8 or ElementType.I32)) file.ReadSingles(tensor, tensor.ElementCount - count, numbers[..count]);
        }
    }
}
