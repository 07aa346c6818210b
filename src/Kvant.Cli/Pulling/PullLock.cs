using Kvant.Formats;

namespace Kvant.Cli.Pulling;

/// <summary>The right to write one file of the folder of models, among all processes: a hidden file beside it that is held open.</summary>
internal sealed class PullLock : IDisposable
{
    private readonly FileStream _stream;

    private PullLock(FileStream stream) => _stream = stream;

    /// <summary>Takes it.</summary>
    /// <exception cref="PullException">Somebody else has it.</exception>
    public static PullLock Take(string path)
    {
        string name = Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.lock");
        try
        {
            var stream = new FileStream(name, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
            // One that its owner removed while it was opened here locks nothing.
            if (!OperatingSystem.IsLinux() || FileIdentity.Of((int)stream.SafeFileHandle.DangerousGetHandle()) == FileIdentity.Of(name))
                return new PullLock(stream);
            stream.Dispose();
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException) && File.Exists(name))
        {
            throw new PullException($"'{path}' is being pulled by another process; wait for it", e);
        }

        throw new PullException($"'{path}' was being pulled by another process, which has just ended; pull again");
    }

    public void Dispose() => _stream.Dispose();
}
