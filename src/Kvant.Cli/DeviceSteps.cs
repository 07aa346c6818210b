using Kvant.Caching;
using Kvant.Evaluation.Speed;
using Kvant.Gpu;

namespace Kvant.Cli;

/// <summary>Steps of attention on a device, to be timed: every cache that comes has a copy there.</summary>
internal sealed class DeviceSteps : IAttentionSteps
{
    private readonly GpuDevice _device;
    private readonly Dictionary<KvCache, GpuKvCache> _copies = [];
    private GpuAttention? _attention;

    /// <summary>Opens a device.</summary>
    /// <exception cref="GpuException">There is no such device.</exception>
    public DeviceSteps(int device) => _device = GpuDevice.Open(device);

    /// <summary>What it is called.</summary>
    public string Name => $"{_device.Info.Name} ({_device.Info.Driver}){(_device.Info.Kind == GpuDeviceKind.Cpu ? ", which is the processor" : "")}";

    /// <inheritdoc/>
    public void Decode(KvCache cache, ReadOnlySpan<float> queries, Span<float> outputs)
    {
        if (!_copies.TryGetValue(cache, out GpuKvCache? copy))
            _copies.Add(cache, copy = new(cache, _device));
        _attention ??= new(_device, cache.Geometry);
        _attention.Decode(copy, 0, queries, outputs);
    }

    /// <inheritdoc/>
    public void Forget()
    {
        foreach (GpuKvCache copy in _copies.Values)
            copy.Dispose();
        _copies.Clear();
    }

    /// <summary>Gives the device back.</summary>
    public void Dispose()
    {
        Forget();
        _attention?.Dispose();
        _device.Dispose();
    }
}
