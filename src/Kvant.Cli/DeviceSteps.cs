using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Evaluation.Speed;
using Kvant.Gpu;

namespace Kvant.Cli;

/// <summary>Steps of attention on a device, to be timed: every cache that comes has a copy there.</summary>
internal sealed class DeviceSteps : IAttentionSteps
{
    private readonly GpuDevice _device;
    private readonly AttentionSettings _settings;
    private readonly Dictionary<KvCache, GpuKvCache> _copies = [];
    private GpuAttention? _attention;

    /// <summary>Opens a device.</summary>
    /// <param name="device">Its number.</param>
    /// <param name="arithmetic">Whether matrix units may round to halves, where it has them.</param>
    /// <exception cref="GpuException">There is no such device.</exception>
    public DeviceSteps(int device, Arithmetic arithmetic) => (_device, _settings) = (GpuDevice.Open(device), new() { Arithmetic = arithmetic });

    /// <summary>What it is called.</summary>
    public string Name => $"{_device.Info.Name} ({_device.Info.Driver}){(_device.Info.Kind == GpuDeviceKind.Cpu ? ", which is the processor" : "")}";

    /// <inheritdoc/>
    public void Decode(KvCache cache, ReadOnlySpan<float> queries, Span<float> outputs)
    {
        if (!_copies.TryGetValue(cache, out GpuKvCache? copy))
            _copies.Add(cache, copy = new(cache, _device));
        _attention ??= new(_device, cache.Geometry, _settings);
        _attention.Decode(copy, 0, queries, outputs);
    }

    /// <summary>Why a pair of codecs has no kernels there, in a few words; null where it has.</summary>
    /// <param name="pair">The pair.</param>
    /// <param name="geometry">Of a layer.</param>
    public string? WhyNot(LayerSpecs pair, CacheGeometry geometry)
    {
        try
        {
            using var cache = new KvCache(new KvCacheOptions { Geometry = geometry, Policy = LayerPolicy.Uniform(1, pair.Keys, pair.Values) });
            using var copy = new GpuKvCache(cache, _device);
            return null;
        }
        catch (NotSupportedException refused)
        {
            return refused.Message;
        }
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
