using System.Diagnostics;

namespace Kvant.Tests.Formats;

/// <summary>
/// Feeds damaged files to a reader. A reader may accept them or refuse them with the exceptions of the contract; it may
/// not crash, hang or allocate much more than the file holds.
/// </summary>
internal sealed class HostileBytes(Action<string> read, long allocationPerByte = 32, long allocationAtMost = 256 << 10)
{
    // What numbers, JSON and Python literals are made of: changes to these reach further into a parser.
    private static ReadOnlySpan<byte> Telling => "0123456789\"'{}[]():,-. \0"u8;

    /// <summary>Returns how many single-bit flips were accepted.</summary>
    internal int FlipEveryBit(byte[] valid)
    {
        using TemporaryFolder folder = new();
        int accepted = 0;
        byte[] damaged = [.. valid];
        for (int bit = 0; bit < valid.Length * 8; bit++)
        {
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            if (Survives(folder, damaged, $"bit {bit % 8} of byte {bit / 8} flipped")) accepted++;
            damaged[bit / 8] = valid[bit / 8];
        }
        return accepted;
    }

    internal int TruncateToEveryLength(byte[] valid)
    {
        using TemporaryFolder folder = new();
        int accepted = 0;
        for (int length = 0; length < valid.Length; length++)
        {
            if (Survives(folder, valid[..length], $"cut to {length} bytes")) accepted++;
        }
        return accepted;
    }

    internal void Mutate(byte[] valid, int seed, TimeSpan time)
    {
        using TemporaryFolder folder = new();
        Random random = new(seed);
        Stopwatch watch = Stopwatch.StartNew();
        for (int round = 0; watch.Elapsed < time; round++)
            Survives(folder, Mutant(valid, random), $"seed {seed}, round {round}");
    }

    private static byte[] Mutant(byte[] valid, Random random)
    {
        List<byte> bytes = [.. valid];
        int changes = random.Next(1, 5);
        for (int change = 0; change < changes && bytes.Count > 0; change++)
        {
            // Mostly in the first bytes, where the lengths and the header are.
            int position = random.Next(random.Next(2) == 0 ? Math.Min(bytes.Count, 400) : bytes.Count);
            int count = Math.Min(random.Next(1, 24), bytes.Count - position);
            switch (random.Next(6))
            {
                case 0:
                    bytes[position] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(position, count);
                    break;
                case 2:
                    bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(position, count));
                    break;
                case 3:
                    bytes[position] = Telling[random.Next(Telling.Length)];
                    break;
                case 4:
                    for (int i = 0; i < count; i++) bytes[position + i] = 0xff;
                    break;
                default:
                    bytes.RemoveRange(position, bytes.Count - position);
                    break;
            }
        }
        return [.. bytes];
    }

    private bool Survives(TemporaryFolder folder, byte[] content, string how)
    {
        string path = folder.Write("hostile", content);
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool accepted = false;
        try
        {
            read(path);
            accepted = true;
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            // What the contract promises.
        }
        catch (Exception e)
        {
            Assert.Fail($"{how}: {e}");
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated <= (content.Length * allocationPerByte) + allocationAtMost, $"{how}: {allocated} bytes allocated for a file of {content.Length}");
        return accepted;
    }
}
