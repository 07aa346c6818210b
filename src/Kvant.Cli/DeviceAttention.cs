using Kvant.Caching;
using Kvant.Gpu;
using Kvant.Models.Decoding;

namespace Kvant.Cli;

/// <summary>Lets a model decode with its attention on a device; its products stay on the processor, and so does the cache that owns the bytes.</summary>
internal sealed class DeviceAttention : IAttention, IDisposable
{
    private readonly GpuDevice _device;
    private readonly GpuKvCache _copy;
    private readonly GpuAttention _attention;

    /// <summary>Opens a device for a cache.</summary>
    /// <exception cref="GpuException">There is no such device.</exception>
    /// <exception cref="NotSupportedException">A codec of the cache has no kernels.</exception>
    public DeviceAttention(KvCache cache, int device)
    {
        _device = GpuDevice.Open(device);
        try
        {
            // What computes on the processor encodes no faster than the library does.
            bool encodes = _device.Info.Kind == GpuDeviceKind.Gpu && GpuKvCache.WhyNotEncodes(cache, _device) is null;
            (_copy, _attention) = (new(cache, _device, encodes), new(_device, cache.Geometry));
        }
        catch
        {
            _copy?.Dispose();
            _device.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public int Length => CompressedAttention.LengthOf(_copy.Cache);

    /// <inheritdoc/>
    public long Changes => _copy.Cache.Changes;

    /// <inheritdoc/>
    public void Require(LanguageModel model) => CompressedAttention.Require(_copy.Cache, model);

    /// <inheritdoc/>
    public void Attend(int layer, ReadOnlySpan<float> queries, ReadOnlySpan<float> keys, ReadOnlySpan<float> values, Span<float> outputs)
    {
        LayerGeometry shape = _copy.Cache.Geometry[layer];
        if (keys.Length != shape.KvHeads * shape.KeyDimension)
        {
            _attention.Prefill(_copy, layer, queries, keys, values, outputs);
            return;
        }

        _copy.Cache.Append(layer, keys, values);
        _attention.Decode(_copy, layer, queries, outputs);
    }

    /// <summary>Gives the device back; the cache stays open.</summary>
    public void Dispose()
    {
        _attention.Dispose();
        _copy.Dispose();
        _device.Dispose();
    }
}
