using Kvant.Conversations.Chunks;

namespace Kvant.Cli;

/// <summary>Tells files apart by their first bytes; names say nothing.</summary>
internal static class FileKind
{
    /// <summary>Whether the file says that it is a GGUF file.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static bool IsGguf(string path)
    {
        using FileStream stream = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return stream.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("GGUF"u8);
    }

    /// <summary>Whether the file says that it is a chunk of a stored conversation.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static bool IsChunk(string path)
    {
        using FileStream stream = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[ChunkHeader.Magic.Length];
        return stream.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual(ChunkHeader.Magic);
    }

    /// <summary>Whether the file says that it is a compressed cache: the first of its metadata does.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static bool IsCache(string path)
    {
        using FileStream stream = File.OpenRead(path);
        Span<byte> start = stackalloc byte[64];
        return start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)].IndexOf("\"kvant.cache\""u8) > 0;
    }
}
