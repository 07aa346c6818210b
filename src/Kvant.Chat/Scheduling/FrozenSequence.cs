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
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Options = FileOptions.DeleteOnClose, BufferSize = BufferBytes };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        _file = new FileStream(Path.Combine(folder, $"kvant-{Guid.NewGuid():N}.frozen"), options);
        try
        {
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
