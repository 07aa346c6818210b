namespace Kvant.Tests.Formats;

/// <summary>
/// Feeds damaged files to a reader. A reader may accept them or refuse them with the exceptions of the contract; it may
/// not crash, hang or allocate much more than the file holds.
/// </summary>
internal sealed class HostileBytes(Action<string> read, long allocationPerByte = 32, long allocationAtMost = 256 << 10)
{
    /// <summary>
    /// Flips three bits of every byte, one at a time: bit 5, which changes the case of letters and makes control
    /// characters of digits, bit 0, which gives a neighboring digit, and a third that goes round. Returns how many were accepted.
    /// </summary>
    internal int FlipEveryByte(byte[] valid)
    {
        using TemporaryFolder folder = new();
        int accepted = 0;
        byte[] damaged = [.. valid];
        for (int i = 0; i < valid.Length; i++)
        {
            foreach (int bit in (int[])[0, 5, (i % 3) switch { 0 => 3, 1 => 6, _ => 7 }])
            {
                damaged[i] ^= (byte)(1 << bit);
                if (Survives(folder, damaged, $"bit {bit} of byte {i} flipped")) accepted++;
                damaged[i] = valid[i];
            }
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

    internal void Mutate(byte[] valid, int seed, int count)
    {
        using TemporaryFolder folder = new();
        for (int round = 0; round < count; round++)
            Survives(folder, Mutator.Mutant(valid, new Random(SeedOf(seed, round))), $"seed {seed}, round {round}");
    }

    // Every mutant by itself, so that one can be made again alone.
    private static int SeedOf(int seed, int round) => (seed * 31) + round;

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
