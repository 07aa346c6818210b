using System.Text;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

public sealed class SafetensorsWriterTests : IDisposable
{
    private static readonly TensorDeclaration[] s_two =
    [
        new("a", ElementType.F32, 2, 1),
        new("b", ElementType.U8, 3),
    ];

    private readonly TemporaryFolder _folder = new();

    private string Target => _folder.File("out.safetensors");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void FileHasTheBytesOfTheSpecification()
    {
        Write(s_two, new Dictionary<string, string> { ["k"] = "v" }, new byte[] { 0, 0, 128, 63, 0, 0, 0, 64 }, [1], [2, 3]);
        byte[] written = File.ReadAllBytes(Target);
        int headerLength = BitConverter.ToInt32(written);
        Assert.Equal(0, headerLength % 8);
        Assert.Equal(Encoding.UTF8.GetString(SafetensorsSamples.Small.AsSpan(8..^11)).TrimEnd(), Encoding.UTF8.GetString(written.AsSpan(8, headerLength)).TrimEnd(' '));
        Assert.Equal(SafetensorsSamples.Small[^11..], written[(8 + headerLength)..]);
        Write(s_two, new Dictionary<string, string> { ["k"] = "v" }, new byte[] { 0, 0, 128, 63, 0, 0, 0, 64, }, [1, 2, 3]);
        Assert.Equal(written, File.ReadAllBytes(Target));
    }

    [Fact]
    public void EmptyAndScalarTensorsRoundTrip()
    {
        Write([new("e", ElementType.F16, 0, 7), new("s", ElementType.I32), new("f", ElementType.U8, 0)], null, [1, 0, 0, 0]);
        using SafetensorsFile file = SafetensorsFile.Open(Target);
        Assert.Equal([0L, 7], file.Tensor("e").Shape);
        Assert.Empty(file.Tensor("s").Shape);
        Assert.Equal([1, 0, 0, 0], file.Bytes(file.Tensor("s")).ToArray());
    }

    [Fact]
    public void OddCharactersInNamesAndMetadataRoundTrip()
    {
        Dictionary<string, string> metadata = new() { ["ключ \"\\\n"] = "值 \u0001 😀", ["empty"] = "" };
        Write([new("naïve \"x\"", ElementType.U8, 1)], metadata, [9]);
        using SafetensorsFile file = SafetensorsFile.Open(Target);
        Assert.Equal(metadata, file.Metadata.ToDictionary());
        Assert.Equal([9], file.Bytes(file.Tensor("naïve \"x\"")).ToArray());
    }

    [Fact]
    public void BytesPastATensorAreRefusedAndLeaveNoFile()
    {
        using (SafetensorsWriter writer = SafetensorsWriter.Create(Target, s_two))
        {
            Assert.Contains("'a' takes 8 more", Assert.Throws<InvalidOperationException>(() => writer.Write(new byte[9])).Message);
            Assert.Throws<InvalidOperationException>(writer.Commit);
        }
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void BytesPastTheLastTensorAreRefusedAndLeaveNoFile()
    {
        using (SafetensorsWriter writer = SafetensorsWriter.Create(Target, s_two))
        {
            writer.Write(new byte[8]);
            writer.Write(new byte[3]);
            Assert.Null(writer.Current);
            Assert.Contains("all tensors are complete", Assert.Throws<InvalidOperationException>(() => writer.Write([1])).Message);
            Assert.Contains("earlier write failed", Assert.Throws<InvalidOperationException>(writer.Commit).Message);
        }
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void MissingBytesAreRefusedAndLeaveAnOldFileAlone()
    {
        _folder.Write("out.safetensors", [1, 2, 3]);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(Target, s_two))
        {
            writer.Write(new byte[8]);
            writer.Write(new byte[1]);
            Assert.Contains("'b' lacks 2 bytes", Assert.Throws<InvalidOperationException>(writer.Commit).Message);
        }
        Assert.Equal(["out.safetensors"], _folder.Files);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(Target));
    }

    [Fact]
    public void TargetIsTheOldFileAfterEveryWriteUntilTheCommit()
    {
        byte[] old = SafetensorsSamples.Small;
        _folder.Write("out.safetensors", old);
        using SafetensorsWriter writer = SafetensorsWriter.Create(Target, [new("big", ElementType.U8, 300_000)]);
        for (int i = 0; i < 30; i++)
        {
            writer.Write(new byte[10_000]);
            Assert.Equal(old, File.ReadAllBytes(Target));
        }
        writer.Commit();
        using SafetensorsFile file = SafetensorsFile.Open(Target);
        Assert.Equal(300_000, file.Tensor("big").ByteLength);
    }

    [Fact]
    public void ReaderOfTheOldFileGoesOnAfterItIsReplaced()
    {
        using SafetensorsFile old = SafetensorsFile.Open(_folder.Write("out.safetensors", SafetensorsSamples.Small));
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows does not replace an open file");
        Write([new("c", ElementType.U8, 1)], null, [5]);
        Assert.Equal([1, 2, 3], old.Bytes(old.Tensor("b")).ToArray());
    }

    [Fact]
    public void DisposeWithoutCommitLeavesNoFile()
    {
        using (SafetensorsWriter writer = SafetensorsWriter.Create(Target, s_two)) writer.Write(new byte[8]);
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void BadDeclarationsAreRefusedBeforeAFileAppears()
    {
        Refused(new TensorDeclaration("a", ElementType.U8, -1));
        Refused(new TensorDeclaration("", ElementType.U8, 1));
        Refused(new TensorDeclaration("__metadata__", ElementType.U8, 1));
        Refused(new TensorDeclaration(new string('n', 1025), ElementType.U8, 1));
        Refused(new TensorDeclaration("a", ElementType.F32, long.MaxValue));
        Refused(new TensorDeclaration("a", ElementType.U8, Enumerable.Repeat(1L, 17).ToArray()));
        Refused(new TensorDeclaration("a", ElementType.U8, 1), new TensorDeclaration("a", ElementType.U8, 1));
        Refused(new TensorDeclaration("a", (ElementType)77, 1));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Create(Target, s_two, new Dictionary<string, string> { [""] = "x" }));
        Assert.Empty(_folder.Files);

        void Refused(params TensorDeclaration[] tensors) => Assert.ThrowsAny<ArgumentException>(() => SafetensorsWriter.Create(Target, tensors));
    }

    private void Write(TensorDeclaration[] tensors, Dictionary<string, string>? metadata, params byte[][] parts)
    {
        using SafetensorsWriter writer = SafetensorsWriter.Create(Target, tensors, metadata);
        foreach (byte[] part in parts) writer.Write(part);
        writer.Commit();
    }
}
