using Kvant.Caching;
using Kvant.Gpu.Memory;

namespace Kvant.Gpu;

/// <summary>
/// A copy of a <see cref="KvCache"/> on a device, byte for byte: blocks go there as they close, sinks and window as tokens come. The cache stays what it is: append to it, cut it, fork it;
/// the copy follows when attention asks for it (<see cref="GpuAttention"/>), or when <see cref="Upload"/> is called.
/// </summary>
/// <remarks>Any number of threads may use it. Dispose it, and before the device.</remarks>
public sealed class GpuKvCache : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<int, LayerCopy> _layers = []; // by the layer that stores
    private bool _disposed;

    /// <summary>An empty copy.</summary>
    /// <param name="cache">The cache; it stays the caller's.</param>
    /// <param name="device">Where the copy lies.</param>
    /// <exception cref="NotSupportedException">A codec of the cache has no kernels, or values are part of keys; the message says which.</exception>
    public GpuKvCache(KvCache cache, GpuDevice device)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentNullException.ThrowIfNull(device);
        (Cache, Device) = (cache, device);
        foreach (int layer in cache.Geometry.OwnLayers)
        {
            if (cache.Geometry[layer].ValuesInKeys)
                throw new NotSupportedException($"Layer {layer} has values that are part of keys (ValuesInKeys): devices cannot read those; CacheAttention can.");
            LayerLayout layout = cache.LayerAt(layer).Layout;
            for (int step = 0; step < layout.Steps.Length; step++)
                _ = StepCopy.ShapeOf(layout, step, layer);
        }
    }

    /// <summary>What it is a copy of.</summary>
    public KvCache Cache { get; }

    /// <summary>Where it lies.</summary>
    public GpuDevice Device { get; }

    /// <summary>Bytes of the device that it holds.</summary>
    public long DeviceBytes
    {
        get { lock (_lock) return _layers.Values.Sum(layer => layer.Bytes); }
    }

    /// <summary>Copies what came since the last time, of all layers, so that the next step need not.</summary>
    /// <exception cref="GpuException">The device has no room for it, or fails; what was copied stays.</exception>
    /// <exception cref="ObjectDisposedException">The copy, the cache or the device is disposed.</exception>
    public void Upload()
    {
        Cache.EnterRead();
        try
        {
            foreach (int layer in Cache.Geometry.OwnLayers)
                _ = Follow(layer);
        }
        finally
        {
            Cache.ExitRead();
        }
    }

    /// <summary>Gives the device's memory back; the cache lives on. Twice is fine.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (LayerCopy layer in _layers.Values)
                layer.Clear();
            _layers.Clear();
        }
    }

    /// <summary>The copy of a layer as it is now, for those who hold the cache's lock.</summary>
    internal LayerCopy Follow(int layer)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            int source = Cache.Geometry[layer].SharedLayer ?? layer;
            if (!_layers.TryGetValue(source, out LayerCopy? copy))
                _layers.Add(source, copy = new(Device.Memory));
            copy.Follow(Cache.LayerAt(source));
            return copy;
        }
    }
}
