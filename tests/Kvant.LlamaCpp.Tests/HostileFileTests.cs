using System.Buffers.Binary;
using Kvant.LlamaCpp.Compression;
using Kvant.LlamaCpp.States;
using Kvant.Tests;
using Kvant.Tests.Formats;

namespace Kvant.LlamaCpp.Tests;

public sealed class HostileFileTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void FlippedBitsAreAllFound(int sample)
    {
        byte[] file = FileMutants.Files[sample];
        FileMutants.Use(file);
        for (int at = 0; at < file.Length; at += at < 3000 ? 1 : 7)
        {
            byte[] flipped = [.. file];
            flipped[at] ^= (byte)(1 << (at % 8));
            Assert.Throws<InvalidDataException>(() => FileMutants.Use(flipped));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void FileThatIsCutOffIsRefused(int sample)
    {
        byte[] file = FileMutants.Files[sample];
        for (int length = 0; length < file.Length; length += length < 3000 || length > file.Length - 50 ? 1 : 11)
            Assert.Throws<InvalidDataException>(() => FileMutants.Use(file[..length]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void LiesWithRightChecksumsAreFoundWithoutGreatAllocation(int sample)
    {
        byte[] file = FileMutants.Files[sample];
        for (int at = 8; at + 4 <= file.Length; at += at < 600 ? 1 : 61)
        {
            foreach (int lie in (int[])[int.MaxValue, -1, 0, 1 << 24, 3])
            {
                byte[] lying = [.. file];
                BinaryPrimitives.WriteInt32LittleEndian(lying.AsSpan(at), lie);
                Try(FileMutants.Seal(lying));
            }
        }
    }

    [Fact]
    public void MutantsAreRefusedOrWhole() => Fresh.Each("compressed states of llama.cpp", 3, seed =>
    {
        var random = new Random(seed);
        for (int i = 0; i < 300; i++)
            Try(FileMutants.Seal(Mutator.Mutant(FileMutants.Files[i % 2], random)));
    });

    /// <summary>What recurrent layers keep is not decoded, but looked at: its counts are believed as little as others.</summary>
    [Fact]
    public void RecurrentPartThatLiesIsNotRestored()
    {
        byte[] state = new StateSample { Caches = [], Recurrent = 1 }.ToBytes(), bytes = state[8..];
        RecurrentPart part = Assert.IsType<RecurrentPart>(Assert.Single(LlamaState.Read(new MemoryStream(state)).Parts));
        LlamaStateFile.Open(new MemoryStream(ForgedFile.Of(part, (FrameKind.Recurrent, bytes), (FrameKind.End, [])))).Restore(new MemoryStream());
        foreach ((int at, byte lie) in ((int, byte)[])[(0, 77), (7, 255), (8, 1), (12, 1), (20, 9), (24, 250)])
        {
            byte[] lying = [.. bytes];
            lying[at] = lie;
            Assert.Throws<InvalidDataException>(() => LlamaStateFile.Open(new MemoryStream(ForgedFile.Of(part, (FrameKind.Recurrent, lying), (FrameKind.End, [])))).Restore(new MemoryStream()));
        }

        Assert.Throws<InvalidDataException>(() => LlamaStateFile.Open(new MemoryStream(ForgedFile.Of(part with { Cells = 2 }, (FrameKind.Recurrent, bytes), (FrameKind.End, [])))).Restore(new MemoryStream()));
    }

    [Fact]
    public void OtherVersionsAreRefusedWithTheirNumber()
    {
        byte[] file = [.. FileMutants.Files[0]];
        file[8] = 2;
        Assert.Contains("version 2; version 1 is known", Assert.Throws<InvalidDataException>(() => LlamaStateFile.Open(new MemoryStream(FileMutants.Seal(file)))).Message, StringComparison.Ordinal);
        Assert.Contains("KVANTLCS", Assert.Throws<InvalidDataException>(() => LlamaStateFile.Open(new MemoryStream(FileMutants.States[0]))).Message, StringComparison.Ordinal);
    }

    // Accepted or refused; what is accepted is whole.
    private static void Try(byte[] bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            FileMutants.Use(bytes);
        }
        catch (InvalidDataException)
        {
            // As good.
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (32 << 20) + (64L * bytes.Length));
    }
}
