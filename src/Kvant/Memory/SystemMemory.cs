using System.Runtime.InteropServices;

namespace Kvant.Memory;

/// <summary>
/// Memory straight from the system, in whole pages of its own. What malloc gets back it keeps for itself, so that a process stays as large as it once was;
/// what is given back here is gone. It takes room only where it is written to. Where the calls are not known, as on Windows, it comes from the runtime.
/// </summary>
internal static unsafe partial class SystemMemory
{
    private const int ReadAndWrite = 3;
    private const int DontNeed = 4;

    // Private memory behind no file; the second flag has another number on every kernel.
    private static readonly int s_private = OperatingSystem.IsLinux() ? 0x22 : 0x1002;
    private static readonly bool s_known = OperatingSystem.IsLinux() || OperatingSystem.IsMacOS() || OperatingSystem.IsFreeBSD();

    /// <summary>Bytes of the system's pages.</summary>
    public static int PageBytes { get; } = Environment.SystemPageSize;

    /// <summary>Takes memory that begins at a page.</summary>
    /// <param name="bytes">A multiple of <see cref="PageBytes"/>.</param>
    /// <exception cref="InsufficientMemoryException">The system has none.</exception>
    public static nint Take(nint bytes)
    {
        if (!s_known)
            return (nint)NativeMemory.AlignedAlloc((nuint)bytes, (nuint)PageBytes);
        nint start = mmap(0, (nuint)bytes, ReadAndWrite, s_private, -1, 0);
        return start == -1 ? throw new InsufficientMemoryException($"The system has no {bytes} bytes.") : start;
    }

    /// <summary>Gives back all that <see cref="Take"/> gave.</summary>
    public static void GiveBack(nint start, nint bytes)
    {
        if (s_known)
            _ = munmap(start, (nuint)bytes);
        else
            NativeMemory.AlignedFree((void*)start);
    }

    /// <summary>Lets the system have whole pages until they are written to again. What they hold is lost.</summary>
    public static void Discard(nint start, nint bytes)
    {
        if (s_known && bytes > 0)
            _ = madvise(start, (nuint)bytes, DontNeed);
    }

    [LibraryImport("libc")]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nuint length);

    [LibraryImport("libc")]
    private static partial int madvise(nint address, nuint length, int advice);
}
