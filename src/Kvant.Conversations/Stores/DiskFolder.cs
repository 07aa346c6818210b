using Kvant.Conversations.Chunks;
using Kvant.Formats;

namespace Kvant.Conversations.Stores;

/// <summary>The files of a <see cref="DiskChunkStore"/>: names, reading, writing. Failures are answers.</summary>
/// <param name="root">The folder.</param>
/// <param name="create">Begins a file that appears whole or not at all.</param>
internal sealed class DiskFolder(string root, Func<string, AtomicFile> create)
{
    /// <summary>What files of chunks end in.</summary>
    public const string Extension = ".chunk";

    // ENOSPC, EDQUOT, EFBIG of Linux and macOS; ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL.
    private static readonly int[] s_full = OperatingSystem.IsWindows() ? [112, 39] : OperatingSystem.IsLinux() ? [28, 122, 27] : [28, 69, 27];

    private static readonly EnumerationOptions s_hidden = new() { AttributesToSkip = 0, IgnoreInaccessible = false };

    public string Root => root;

    /// <summary>Where a chunk lies.</summary>
    public string PathOf(ChunkKey key)
    {
        string name = key.ToString();
        return Path.Combine(root, name[..2], name[2..4], name + Extension);
    }

    /// <summary>All chunks, in the order of the folder.</summary>
    public IEnumerable<(ChunkKey Key, FileInfo File)> Chunks()
    {
        foreach (FileInfo file in Files())
        {
            if (file.Name.EndsWith(Extension, StringComparison.Ordinal) && ChunkKey.TryParse(file.Name.AsSpan()[..^Extension.Length], out ChunkKey key) && PathOf(key) == file.FullName)
                yield return (key, file);
        }
    }

    /// <summary>All files two levels down: chunks, and what was begun.</summary>
    public IEnumerable<FileInfo> Files()
    {
        foreach (string first in Directory.EnumerateDirectories(root))
        {
            foreach (string second in Directory.EnumerateDirectories(first))
            {
                foreach (string file in Directory.EnumerateFiles(second, "*", s_hidden))
                    yield return new FileInfo(file);
            }
        }
    }

    /// <summary>Reads a chunk and marks it as used.</summary>
    public ChunkAnswer Read(ChunkKey key, Span<byte> destination)
    {
        string path = PathOf(key);
        try
        {
            // Another process may remove it meanwhile; what is open can be read to its end.
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            long length = RandomAccess.GetLength(file);
            if (length > destination.Length)
                return ChunkMiss.TooLong;
            int at = 0;
            for (int read; at < length && (read = RandomAccess.Read(file, destination[at..(int)length], at)) > 0; at += read)
            {
                // On with the rest.
            }

            Touch(path, DateTime.UtcNow);
            return ChunkAnswer.Hit(at);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return ChunkMiss.Absent;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ChunkMiss.Unreachable;
        }
    }

    /// <summary>Reads the beginning of a file.</summary>
    /// <returns>How many bytes there were; 0 where it cannot be read.</returns>
    public static int ReadStart(string path, Span<byte> destination)
    {
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return RandomAccess.Read(file, destination, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>Writes a chunk: beside its place, to the disk, into its place.</summary>
    public PutOutcome Write(ChunkKey key, ReadOnlySpan<byte> value)
    {
        string path = PathOf(key);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using AtomicFile file = create(path);
            file.Stream.Write(value);
            file.Commit();
            return PutOutcome.Stored;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return IsFull(e) ? PutOutcome.NoRoom : PutOutcome.Failed;
        }
    }

    /// <summary>Removes a file, if it is there.</summary>
    /// <returns>Whether it is gone.</returns>
    public static bool Remove(string path)
    {
        try
        {
            File.Delete(path);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    // A flush that failed says its number in words.
    private static bool IsFull(Exception e) => s_full.Contains(e.HResult & 0xffff) || Array.Exists(s_full, number => e.Message.EndsWith($"(error {number})", StringComparison.Ordinal));

    /// <summary>Says when a chunk was used last. Another clock, or none, makes another order of eviction and nothing worse.</summary>
    public static void Touch(string path, DateTime lastUse)
    {
        try
        {
            File.SetLastWriteTimeUtc(path, lastUse);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is gone, or not ours: then it is as old as it says.
        }
    }
}
