using System.Runtime.InteropServices;

namespace Kvant.Tests;

/// <summary>
/// Memory whose last byte lies directly before a page that nobody may touch: one step too far ends the process.
/// Where there is no mmap, and before the memory, marker bytes show a write (but not a read).
/// </summary>
internal sealed unsafe partial class GuardedMemory : IDisposable
{
    private const byte Marker = 0xA5;
    private const int MarginBytes = 64;
    private readonly byte* _mapping;
    private readonly nuint _mapped;
    private readonly nuint _page = (nuint)Environment.SystemPageSize;
    private readonly int _bytes;

    public GuardedMemory(int bytes)
    {
        _bytes = bytes;
        nuint body = ((nuint)(bytes + MarginBytes) + _page - 1) / _page * _page;
        _mapped = body + _page;
        if (OperatingSystem.IsLinux())
        {
            _mapping = (byte*)MemoryMap(0, _mapped, protection: 3, flags: 0x22, file: -1, offset: 0);
            if ((nint)_mapping == -1 || MemoryProtect((nint)(_mapping + body), _page, protection: 0) != 0)
                throw new InvalidOperationException($"mmap or mprotect failed: error {Marshal.GetLastPInvokeError()}.");
        }
        else
        {
            _mapping = (byte*)NativeMemory.Alloc(_mapped);
            new Span<byte>(_mapping + body, (int)_page).Fill(Marker);
        }

        Start = _mapping + body - bytes;
        new Span<byte>(_mapping, (int)body).Fill(Marker);
    }

    private byte* Start { get; }

    public Span<byte> Bytes => new(Start, _bytes);

    public Span<float> Floats => new(Start, _bytes / sizeof(float));

    public static GuardedMemory Copy<T>(ReadOnlySpan<T> content)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(content);
        var memory = new GuardedMemory(bytes.Length);
        bytes.CopyTo(memory.Bytes);
        return memory;
    }

    /// <summary>Fails if a byte before the memory (or, without mmap, behind it) was written.</summary>
    public void AssertIntact(string what)
    {
        bool before = new ReadOnlySpan<byte>(_mapping, (int)(Start - _mapping)).ContainsAnyExcept(Marker);
        bool behind = !OperatingSystem.IsLinux() && new ReadOnlySpan<byte>(Start + _bytes, (int)_page).ContainsAnyExcept(Marker);
        Assert.False(before || behind, $"{what}: bytes outside the span were written.");
    }

    public void Dispose()
    {
        if (OperatingSystem.IsLinux())
            _ = MemoryUnmap((nint)_mapping, _mapped);
        else
            NativeMemory.Free(_mapping);
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint MemoryMap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int MemoryProtect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MemoryUnmap(nint address, nuint length);
}
