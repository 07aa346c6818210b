namespace Kvant.Gpu.Memory;

/// <summary>A piece of a device's memory.</summary>
/// <param name="Slab">Of which buffer.</param>
/// <param name="Offset">Where in it, in bytes; a multiple of <see cref="DeviceMemory.Alignment"/>.</param>
/// <param name="Bytes">Its length, a multiple of the same.</param>
internal readonly record struct DeviceRange(int Slab, long Offset, long Bytes);
