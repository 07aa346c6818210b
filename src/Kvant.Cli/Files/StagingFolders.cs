using Kvant.Formats;

namespace Kvant.Cli.Files;

/// <summary>
/// Outputs on their way: each is written into a hidden folder of its own beside its place and moved from there once it is complete.
/// Disposing removes the folders and ends all moves, also under a thread that is still writing.
/// </summary>
internal sealed class StagingFolders : IDisposable
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _open = [];
    private readonly List<string> _committed = [];
    private bool _closed;

    /// <summary>What was moved to its place.</summary>
    public IReadOnlyList<string> Committed
    {
        get
        {
            lock (_lock)
                return [.. _committed];
        }
    }

    /// <summary>Writes a file and puts it in its place.</summary>
    /// <param name="output">Its name; a link is written through.</param>
    /// <param name="write">Writes it, flushed to the disk, at the path that it is given.</param>
    /// <param name="check">Throws where the place may not be taken any more.</param>
    public void Write(string output, Action<string> write, Action check)
    {
        string target = FileIdentity.RealPath(output), place = Path.GetDirectoryName(target)!;
        string folder = Path.Combine(place, AtomicFile.TemporaryName(Path.GetFileName(target))), staged = Path.Combine(folder, Path.GetFileName(target));
        Open(folder);
        try
        {
            write(staged);
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_closed, this);
                check();
                bool replace = File.Exists(target);
                if (replace && !OperatingSystem.IsWindows())
                    File.SetUnixFileMode(staged, File.GetUnixFileMode(target));
                // A file that appeared a moment ago is nobody's to replace: without overwrite the move refuses it.
                File.Move(staged, target, replace);
                _committed.Add(output);
            }

            if (!OperatingSystem.IsWindows() && LibC.FlushDirectory(place) is not 0 and var error)
                throw new IOException($"the file is in place, but its folder could not be flushed to the disk (error {error})");
        }
        catch (IOException e) when (e.Message.Contains(staged, StringComparison.Ordinal))
        {
            throw new IOException(e.Message.Replace(staged, output, StringComparison.Ordinal), e);
        }
        finally
        {
            Remove(folder);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        string[] open;
        lock (_lock)
        {
            _closed = true;
            open = [.. _open];
        }

        foreach (string folder in open)
            Remove(folder);
    }

    private void Open(string folder)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            Directory.CreateDirectory(folder);
            _open.Add(folder);
        }
    }

    private void Remove(string folder)
    {
        lock (_lock)
        {
            if (!_open.Contains(folder))
                return;
            // A thread that still writes may add a file under the hands of the removal.
            for (int attempt = 0; attempt < 8 && Directory.Exists(folder); attempt++)
            {
                try
                {
                    Directory.Delete(folder, recursive: true);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // Another error, or the end of the process, says more than this one.
                }
            }

            _open.Remove(folder);
        }
    }
}
