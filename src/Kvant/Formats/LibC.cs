using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Kvant.Formats;

/// <summary>
/// What .NET lacks. fsync for files and directories: .NET's own <c>Flush(true)</c> reports success on Linux when the kernel reports an
/// error; results are error numbers, 0 for success. statx: which file a name or a descriptor leads to.
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

    /// <summary>What Linux says of the file behind a name (links are followed), or of a descriptor; null where there is none or it does not say.</summary>
    internal static FileStatus? Status(string? path, int descriptor = -1)
    {
        const int CurrentFolder = -100, EmptyPath = 0x1000;
        const uint TypeAndNumber = 0x1 | 0x100;
        try
        {
            int code = statx(path is null ? descriptor : CurrentFolder, path ?? "", path is null ? EmptyPath : 0, TypeAndNumber, out FileStatus status);
            return code == 0 ? status : null;
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Whether a descriptor is open and came from the process's parent: what the process opened itself is closed on exec.</summary>
    internal static bool IsInherited(int descriptor)
    {
        const int GetFlags = 1, CloseOnExec = 1;
        return fcntl(descriptor, GetFlags) is >= 0 and var flags && (flags & CloseOnExec) == 0;
    }

    /// <summary>The part of <c>struct statx</c> that tells files apart; its layout is the same on every processor.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct FileStatus
    {
        [FieldOffset(28)]
        internal ushort Mode;

        [FieldOffset(32)]
        internal ulong Number;

        [FieldOffset(136)]
        internal uint DeviceMajor;

        [FieldOffset(140)]
        internal uint DeviceMinor;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, out FileStatus status);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int descriptor, int command);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle file);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint open(string path, int flags);
}
