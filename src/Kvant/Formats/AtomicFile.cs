using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Kvant.Formats;

/// <summary>
/// A file that appears whole or not at all: written beside its target under a temporary name, flushed to the disk, then
/// renamed over the target. Until <see cref="Commit"/> succeeds an existing target is untouched;
/// <see cref="Dispose"/> without it removes what was written. A link is written through: its target is replaced and the link stays.
/// Pipes, devices and sockets are never replaced.
/// </summary>
internal sealed class AtomicFile : IDisposable
{
    // A name has 255 bytes, or characters, at most; a character takes up to three.
    private const int MostNameLength = 64;

    private readonly string _target;
    private readonly string _temporary;
    private readonly FileStream _stream;
    private readonly Func<SafeFileHandle, int> _flushFile;
    private readonly Func<string, int> _flushDirectory;
    private readonly bool _stays;
    private State _state;

    private AtomicFile(string path, string? temporary, Func<SafeFileHandle, int> flushFile, Func<string, int> flushDirectory)
    {
        RequireReplaceable(path);
        _target = Path.GetFullPath(path);
        if (Path.GetFileName(_target) is not { Length: > 0 } name) throw new ArgumentException($"'{path}' names a folder, not a file", nameof(path));
        _target = FileIdentity.RealPath(_target);
        name = Path.GetFileName(_target);
        if (!Directory.Exists(Folder)) throw new DirectoryNotFoundException($"the folder {Folder} does not exist");
        _flushFile = flushFile;
        _flushDirectory = flushDirectory;
        _stays = temporary is not null;
        _temporary = temporary ?? Path.Combine(Folder, TemporaryName(name));
        _stream = new FileStream(_temporary, _stays ? FileMode.OpenOrCreate : FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 1 << 16);
    }

    private enum State
    {
        Open,
        Committed,
        Closed,
    }

    /// <summary>Where to write the content; may be sought. Do not close it.</summary>
    public Stream Stream => _stream;

    private string Folder => Path.GetDirectoryName(_target)!;

    /// <summary>Begins a file that will replace <paramref name="path"/>; the folder must exist.</summary>
    /// <exception cref="IOException">The temporary file cannot be created beside the target, or the target is a pipe, a device or a socket.</exception>
    public static AtomicFile Create(string path) =>
        OperatingSystem.IsWindows() ? Create(path, FlushWindows, static _ => 0) : Create(path, LibC.FlushFile, LibC.FlushDirectory);

    /// <summary>Goes on with a file that was begun before: what lies under the temporary name is kept, and stays there where it is not committed, for another time.</summary>
    /// <param name="path">The target; the folder must exist.</param>
    /// <param name="temporary">A name in the same folder; it need not exist, and nobody else may write there.</param>
    /// <exception cref="IOException">The temporary file cannot be opened, or the target is a pipe, a device or a socket.</exception>
    public static AtomicFile Continue(string path, string temporary)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentException.ThrowIfNullOrEmpty(temporary);
        return OperatingSystem.IsWindows() ? new AtomicFile(path, temporary, FlushWindows, static _ => 0) : new AtomicFile(path, temporary, LibC.FlushFile, LibC.FlushDirectory);
    }

    /// <summary>As <see cref="Create(string)"/> with replaceable flushes, which return an error number or 0.</summary>
    internal static AtomicFile Create(string path, Func<SafeFileHandle, int> flushFile, Func<string, int> flushDirectory)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new AtomicFile(path, null, flushFile, flushDirectory);
    }

    /// <summary>A hidden name beside a file, for what is not complete yet: the file's own, as far as there is room for it, and a random number.</summary>
    internal static string TemporaryName(string name) => $".{name[..Math.Min(name.Length, MostNameLength)]}.{Guid.NewGuid():N}.tmp";

    /// <summary>Flushes the content to the disk and puts it in the target's place. Nothing can be written afterwards.</summary>
    /// <exception cref="IOException">
    /// The content could not be flushed or renamed (the target is unchanged, the temporary file is gone), or the folder
    /// could not be flushed (the target is the new file, but a power failure may bring the old one back).
    /// </exception>
    /// <exception cref="InvalidOperationException">The file was committed or closed before.</exception>
    public void Commit()
    {
        if (_state != State.Open) throw new InvalidOperationException($"{_target} was already {(_state == State.Committed ? "committed" : "closed")}");
        try
        {
            _stream.Flush();
            ThrowIfFailed(_flushFile(_stream.SafeFileHandle), "the file could not be flushed to the disk; nothing was replaced");
            _stream.Dispose();
            RequireReplaceable(_target);
            File.Move(_temporary, _target, overwrite: true);
            _state = State.Committed;
        }
        catch
        {
            Dispose();
            throw;
        }
        ThrowIfFailed(_flushDirectory(Folder), "the file is in place, but its folder could not be flushed to the disk");
    }

    /// <summary>Removes the temporary file unless it was committed. May be called twice.</summary>
    public void Dispose()
    {
        if (_state != State.Open) return;
        _state = State.Closed;
        try
        {
            _stream.Dispose();
        }
        catch (IOException)
        {
            // A full disk refuses the buffered rest again; the file is thrown away in any case.
        }
        if (_stays) return;
        try
        {
            File.Delete(_temporary);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Dispose runs while another error travels, which says more than this one.
        }
    }

    // A folder is left to the rename, which refuses it.
    private static void RequireReplaceable(string path)
    {
        if (FileIdentity.Of(path) is { Type: not (FileType.Regular or FileType.Folder) } other) throw new IOException($"{path} is {other.Words}; a regular file is wanted");
    }

    private static int FlushWindows(SafeFileHandle file)
    {
        RandomAccess.FlushToDisk(file);
        return 0;
    }

    private void ThrowIfFailed(int error, string message)
    {
        if (error != 0) throw new IOException($"{_target}: {message}: {Marshal.GetPInvokeErrorMessage(error)} (error {error})");
    }
}
