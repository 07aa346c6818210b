using System.Buffers;
using Kvant.Memory;

namespace Kvant.Gpu.Memory;

/// <summary>
/// A page of a layer's body on a device. Copies of caches hold it, and pages of caches whose only bytes these are; the last one gives its memory back, and who has it alone may write to it.
/// </summary>
/// <param name="device">The device.</param>
/// <param name="form">How its blocks lie.</param>
internal sealed class DevicePage(GpuDevice device, PageForm form) : IAwayBytes
{
    private int _users = 1;

    /// <summary>Where it lies.</summary>
    public DeviceRange Range { get; } = device.Memory.Take(form.Bytes, "A page of the cache");

    /// <summary>Whether somebody else reads from it.</summary>
    public bool IsShared => Volatile.Read(ref _users) > 1;

    /// <summary>Whether it lies on a device.</summary>
    public bool IsOn(GpuDevice other) => other == device;

    /// <inheritdoc/>
    public void AddUser() => Interlocked.Increment(ref _users);

    /// <inheritdoc/>
    public void RemoveUser()
    {
        if (Interlocked.Decrement(ref _users) == 0)
            device.Memory.Return(Range);
    }

    /// <inheritdoc/>
    public void Read(Span<byte> page)
    {
        byte[] units = ArrayPool<byte>.Shared.Rent(form.Bytes);
        try
        {
            device.Memory.Read(Range, 0, units.AsSpan(0, form.Bytes));
            form.ToCache(units, page);
        }
        catch (Exception lost) when (lost is GpuException or ObjectDisposedException)
        {
            throw new InvalidOperationException($"Tokens of the cache lie on {device.Info.Name} alone, and cannot be read from there: {lost.Message}", lost);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(units);
        }
    }
}
