using System.Buffers.Binary;
using Kvant.Caching;
using Kvant.Kernels;

namespace Kvant.LlamaCpp.Tests;

/// <summary>Compressed states, small ones, and what comes of those that are damaged.</summary>
internal static class FileMutants
{
    /// <summary>A sequence in two caches with a recurrent part; a context of two streams, some of it in blocks of 8 bits; codecs of several kinds.</summary>
    public static byte[][] States { get; } =
    [
        new StateSample { Caches = [new() { KeyWidth = 16, ValueWidth = 16, Streams = [StateSample.Run(3, 140)] }, new() { Layers = 1, KeyWidth = 16, ValueWidth = 16, IsTransposed = true, Streams = [StateSample.Run(90, 20)] }], Recurrent = 1 }.ToBytes(),
        new StateSample { Kind = LlamaStateKind.SessionFile, Tokens = [1, 2], Caches = [new() { Layers = 1, KeyWidth = 32, ValueWidth = 32, Streams = [StateSample.Run(0, 8, 0, 2), [.. StateSample.Run(0, 260, 1), .. StateSample.Run(300, 4, 1)]] }, new() { Layers = 1, KeyType = 8, ValueType = 8 }] }.ToBytes(),
    ];

    /// <summary>The same, compressed.</summary>
    public static byte[][] Files { get; } = [.. States.Select((state, i) => Compress(state, i == 0 ? LayerSpecs.Parse("q8:frame=balanced", "kivi:group=16") : LayerSpecs.Parse("turboquant:bits=4,code=trellis")))];

    /// <summary>Makes the checksums of a damaged file right, as far as its lengths say where they are.</summary>
    public static byte[] Seal(byte[] file)
    {
        byte[] bytes = [.. file];
        if (bytes.Length < 20)
            return bytes;
        long end = 16L + BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(12)), start = 0;
        while (end + 4 <= bytes.Length && end >= start)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan((int)end), Crc32C.Compute(bytes.AsSpan((int)start, (int)(end - start))));
            start = end + 4;
            if (start + 20 > bytes.Length)
                break;
            long stored = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan((int)start + 12));
            end = stored >= 0 && stored <= bytes.Length ? start + 20 + stored : long.MaxValue - 4;
        }

        return bytes;
    }

    /// <summary>Restores a file, whatever it is. What comes back without an error is whole: its outline is read again, and is what the file said.</summary>
    /// <exception cref="InvalidDataException">It is refused.</exception>
    public static void Use(byte[] bytes)
    {
        LlamaStateFile file = LlamaStateFile.Open(new MemoryStream(bytes));
        // What a caller can hold; a context knows that of its own cache.
        if (file.StateBytes > 1 << 22)
            throw new InvalidDataException("more than fits");
        using var restored = new MemoryStream();
        file.Restore(restored, threads: 1);
        LlamaState state = LlamaState.Read(new MemoryStream(restored.GetBuffer(), 0, (int)restored.Length));
        if (state.Kind != file.Kind || state.Cells != file.Cells || state.Length != file.StateBytes || state.Architecture != file.Architecture)
            throw new InvalidOperationException($"A state of {state.Cells} cells and {state.Length} bytes was restored from one of {file.Cells} and {file.StateBytes}.");
    }

    private static byte[] Compress(byte[] state, LayerSpecs specs)
    {
        using var file = new MemoryStream();
        LlamaStateFile.Compress(LlamaState.Read(new MemoryStream(state)), file, new() { Policy = [specs], Sinks = 2, Window = 4, Identity = new() { Weights = "w" }, Threads = 1 });
        return file.ToArray();
    }
}
