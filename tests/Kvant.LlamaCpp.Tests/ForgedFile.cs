using System.Buffers.Binary;
using Kvant.Caching;
using Kvant.LlamaCpp.Compression;
using Kvant.LlamaCpp.States;

namespace Kvant.LlamaCpp.Tests;

/// <summary>Compressed states with right checksums that say whatever a test wants.</summary>
internal static class ForgedFile
{
    /// <summary>A sequence of one part, and frames.</summary>
    public static byte[] Of(StatePart part, params (FrameKind Kind, byte[] Bytes)[] frames) => Of(new CacheIdentity(), part, frames);

    /// <summary>The same, of a model.</summary>
    public static byte[] Of(CacheIdentity identity, StatePart part, params (FrameKind Kind, byte[] Bytes)[] frames)
    {
        byte[] header = new StateHeader(LlamaStateKind.Sequence, 0, null, identity, [], [part]).ToBytes();
        using var file = new MemoryStream();
        file.Write("KVANTLCS"u8);
        Span<byte> number = stackalloc byte[4];
        foreach (int value in (int[])[1, header.Length])
        {
            BinaryPrimitives.WriteInt32LittleEndian(number, value);
            file.Write(number);
        }

        file.Write(header);
        BinaryPrimitives.WriteUInt32LittleEndian(number, Kernels.Crc32C.Compute(file.ToArray()));
        file.Write(number);
        foreach ((FrameKind kind, byte[] bytes) in frames)
            Frames.Write(file, kind, bytes);
        return file.ToArray();
    }
}
