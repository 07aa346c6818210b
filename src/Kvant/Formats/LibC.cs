using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Kvant.Formats;

/// <summary>
/// fsync for files and directories. .NET's own <c>Flush(true)</c> reports success on Linux when the kernel reports an error.
/// Results are error numbers, 0 for success.
/// </summary>
internal static partial class LibC
{
    internal const int Eintr = 4;
    internal const int Einval = 22;

    internal static int FlushFile(SafeFileHandle file)
    {
        int error;
        do
        {
            error = fsync(file) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
        while (error == Eintr);
        return error;
    }

    internal static int FlushDirectory(string path)
    {
        int closeOnExec = OperatingSystem.IsLinux() ? 0x80000 : 0x1000000;
        using SafeFileHandle directory = new(open(path, closeOnExec), ownsHandle: true);
        if (directory.IsInvalid) return Marshal.GetLastPInvokeError();
        int error = FlushFile(directory);
        // Some network file systems cannot flush a directory and say so with EINVAL: nothing was lost there.
        return error == Einval ? 0 : error;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle file);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint open(string path, int flags);
}
