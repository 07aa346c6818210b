using Kvant.Caching;
using Kvant.Formats;

namespace Kvant.Chat.Scheduling;

/// <summary>A sequence that was put away where memory is short: its cache in a file that nobody else sees and that goes with it. What comes back has the same bytes, so the text goes on as if nothing had happened.</summary>
internal sealed class FrozenSequence : IDisposable
{
    private const int BufferBytes = 1 << 16;

    private readonly FileStream _file;
    private readonly string _tenant;
    private readonly int[] _tokens;

    /// <summary>Writes a sequence down; it stays the caller's.</summary>
    /// <param name="sequence">Between two steps.</param>
    /// <param name="folder">Where files go.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public FrozenSequence(Sequence sequence, string folder)
    {
        (_tenant, _tokens) = (sequence.Tenant, sequence.Tokens.ToArray());
        string path = Path.Combine(folder, $"kvant-{Guid.NewGuid():N}.frozen");
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, BufferSize = BufferBytes };
        // The system lets it go with the process, whatever ends that. Windows does so for a file that was opened to be deleted, elsewhere one lives without a name as long as it is open.
        if (OperatingSystem.IsWindows())
            options.Options = FileOptions.DeleteOnClose;
        else
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        _file = new FileStream(path, options);
        try
        {
            if (!OperatingSystem.IsWindows())
                File.Delete(path);
            sequence.Cache.Freeze(_file);
            _file.Flush();
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>How many tokens it has.</summary>
    public int Length => _tokens.Length;

    /// <summary>Brings it back; the file stays until it is disposed.</summary>
    /// <param name="pool">Where its memory comes from.</param>
    /// <param name="follow">Has it stored as it grows.</param>
    /// <exception cref="CacheFullException">There is no room yet.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public Sequence Thaw(PagePool pool, Func<KvCache, Conversations.StoredSequence?> follow)
    {
        _file.Position = 0;
        KvCache cache = KvCache.Thaw(_file, pool);
        return new Sequence(_tenant, cache, _tokens, follow(cache));
    }

    public void Dispose() => _file.Dispose();
}
