using System.Globalization;
using Kvant.Conversations.Chunks;

namespace Kvant.Conversations.Stores;

/// <summary>Looks at every file of a folder of chunks.</summary>
internal static class DiskCleaning
{
    // What another process is writing is not removed before this; it takes a second.
    private static readonly TimeSpan s_abandoned = TimeSpan.FromHours(1);

    public static DiskReport Count(DiskFolder folder)
    {
        FileInfo[] files = [.. folder.Chunks().Select(c => c.File).Where(f => f.Exists)];
        return new() { Files = files.Length, Bytes = files.Sum(f => f.Length) };
    }

    public static DiskReport Verify(DiskFolder folder, CancellationToken cancellation)
    {
        int files = 0;
        long bytes = 0;
        List<(string, string)> problems = [];
        foreach ((ChunkKey key, FileInfo file) in folder.Chunks())
        {
            cancellation.ThrowIfCancellationRequested();
            if (!file.Exists)
                continue;
            (files, bytes) = (files + 1, bytes + file.Length);
            if (Problem(key, file.FullName, out _) is { } problem)
                problems.Add((Path.GetRelativePath(folder.Root, file.FullName), problem));
        }

        return new() { Files = files, Bytes = bytes, Problems = problems };
    }

    public static DiskReport Collect(DiskFolder folder, CancellationToken cancellation)
    {
        List<(string, string)> removed = [];
        Dictionary<ChunkKey, (FileInfo File, ChunkKey Parent)> whole = [];
        foreach (FileInfo file in folder.Files())
        {
            if (file.Name.EndsWith(".tmp", StringComparison.Ordinal) && file.Exists && DateTime.UtcNow - file.LastWriteTimeUtc > s_abandoned)
                Remove(file, "begun and never finished");
        }

        foreach ((ChunkKey key, FileInfo file) in folder.Chunks())
        {
            cancellation.ThrowIfCancellationRequested();
            if (!file.Exists)
                continue;
            if (Problem(key, file.FullName, out ChunkKey parent) is { } problem)
                Remove(file, problem);
            else
                whole[key] = (file, parent);
        }

        // A chunk that stands on nothing takes those with it that stand on it.
        Queue<ChunkKey> orphans = new(whole.Where(pair => pair.Value.Parent != default && !whole.ContainsKey(pair.Value.Parent)).Select(pair => pair.Key));
        ILookup<ChunkKey, ChunkKey> successors = whole.ToLookup(pair => pair.Value.Parent, pair => pair.Key);
        while (orphans.TryDequeue(out ChunkKey orphan))
        {
            if (!whole.Remove(orphan, out (FileInfo File, ChunkKey Parent) lost))
                continue;
            Remove(lost.File, "what comes before it is gone");
            foreach (ChunkKey successor in successors[orphan])
                orphans.Enqueue(successor);
        }

        return new() { Files = whole.Count, Bytes = whole.Values.Sum(w => w.File.Length), Problems = removed };

        void Remove(FileInfo file, string reason)
        {
            if (DiskFolder.Remove(file.FullName))
                removed.Add((Path.GetRelativePath(folder.Root, file.FullName), reason));
        }
    }

    public static DiskReport Recode(DiskFolder folder, DiskRecoding recoding, TimeSpan unused, IProgress<double>? progress, CancellationToken cancellation)
    {
        // Chunks of a sequence were used one after the other.
        DateTime now = DateTime.UtcNow, newest = unused == TimeSpan.Zero ? DateTime.MaxValue : unused.Ticks < now.Ticks ? now - unused : DateTime.MinValue;
        (ChunkKey Key, FileInfo File)[] chunks = [.. folder.Chunks().Where(chunk => chunk.File.Exists && chunk.File.LastWriteTimeUtc <= newest).OrderBy(chunk => chunk.File.LastWriteTimeUtc)];
        Dictionary<string, (string File, int Others)> problems = [];
        (long saved, int recoded) = (0, 0);
        foreach ((int i, (ChunkKey key, FileInfo file)) in chunks.Index())
        {
            cancellation.ThrowIfCancellationRequested();
            (long less, string? problem) = recoding.Run(key);
            (saved, recoded) = (saved + less, recoded + (less > 0 ? 1 : 0));
            if (problem is not null)
                problems[problem] = problems.TryGetValue(problem, out (string File, int Others) first) ? (first.File, first.Others + 1) : (Path.GetRelativePath(folder.Root, file.FullName), 0);
            progress?.Report((i + 1.0) / chunks.Length);
        }

        return Count(folder) with
        {
            Recoded = recoded,
            Saved = saved,
            Problems = [.. problems.Select(problem => (problem.Value.File, problem.Value.Others == 0 ? problem.Key : string.Create(CultureInfo.InvariantCulture, $"{problem.Key} (and {problem.Value.Others} others)")))],
        };
    }

    private static string? Problem(ChunkKey key, string path, out ChunkKey parent)
    {
        parent = default;
        byte[] value;
        try
        {
            value = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }

        ChunkMiss? miss = ChunkHeader.Read(value, out ChunkHeader? header);
        parent = header?.Parent ?? default;
        return miss switch
        {
            null => header!.Key == key ? null : $"it is the chunk {header.Key}",
            ChunkMiss.OtherVersion => "it is of another version",
            _ => "it is damaged or no chunk",
        };
    }
}
