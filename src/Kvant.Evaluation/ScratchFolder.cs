namespace Kvant.Evaluation;

/// <summary>A folder for temporary files, gone when it is disposed; and all that are left go when the process has to end at once.</summary>
internal sealed class ScratchFolder : IDisposable
{
    private static readonly Lock s_lock = new();
    private static readonly HashSet<ScratchFolder> s_open = [];

    private readonly string _path = Directory.CreateTempSubdirectory("kvant-").FullName;

    public ScratchFolder()
    {
        lock (s_lock)
            s_open.Add(this);
    }

    /// <summary>The path of a file in the folder.</summary>
    public string this[string name] => Path.Combine(_path, name);

    /// <summary>Removes every folder that is open, for a process that does not wait for its threads.</summary>
    public static void RemoveAll()
    {
        lock (s_lock)
        {
            foreach (ScratchFolder folder in s_open)
                folder.Remove();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (s_lock)
        {
            s_open.Remove(this);
            Remove();
        }
    }

    private void Remove()
    {
        try
        {
            Directory.Delete(_path, recursive: true);
        }
        catch (IOException)
        {
            // Gone already, or a thread writes into it; a folder for temporary files is the system's to empty.
        }
    }
}
