using Kvant.Caching;
using Kvant.Gpu.Blocks;
using Kvant.Gpu.Drivers;
using Kvant.Gpu.Kernels;
using Kvant.Gpu.Memory;

namespace Kvant.Gpu;

/// <summary>
/// A copy of a <see cref="KvCache"/> on a device, byte for byte: blocks go there as they close, sinks and window as tokens come. The cache stays what it is: append to it, cut it, fork it;
/// the copy follows when attention asks for it (<see cref="GpuAttention"/>), or when <see cref="Upload"/> is called.
/// </summary>
/// <remarks>
/// <para>Any number of threads may use it. Dispose it, and before the device.</para>
/// <para><b>Pages that lie on the device alone</b> (<see cref="Owns"/>). After <see cref="Append"/>, <see cref="Upload"/> and a <see cref="GpuAttention.Prefill"/> that appends, each page of 128 tokens whose blocks are all closed, that lies on the device and that no fork shares,
/// gives its memory back to the pool: what is left there is sinks, window and the page that is being filled. <see cref="GpuAttention"/> needs no page back. All else that a cache can do goes on, to the same bytes: what it needs comes home first, and leaves again after the next of those three calls.
/// Where the pool has no room for it, the call is refused with <see cref="CacheFullException"/>; one that writes, before it changes anything.</para>
/// <para>A page that is away counts in <see cref="CacheStatistics.AwayBytes"/> and not in <see cref="PagePool.UsedBytes"/>; under a limit of the cache's own (<see cref="KvCacheOptions.MemoryLimit"/>) it counts as if it were here, so that the tokens are stored alike. Forks share it as they share others,
/// and their copies on the same device read it where it is.</para>
/// <para>Disposing the copy brings pages home. Those that the pool has no room for stay on the device until they are read or dropped; those that the device does not give are lost if it is. A device that is disposed first takes them along. Whatever needs a page that cannot be had throws an
/// <see cref="InvalidOperationException"/> that names the device; all other tokens are as they were, and what needs none of them, such as appending, evicting and disposing, still works.</para>
/// </remarks>
public sealed class GpuKvCache : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<int, LayerCopy> _layers = []; // by the layer that stores
    private int _readers;
    private bool _disposed;

    /// <summary>An empty copy.</summary>
    /// <param name="cache">The cache; it stays the caller's.</param>
    /// <param name="device">Where the copy lies.</param>
    /// <param name="encodes">Whether the device encodes, too, what is appended by way of the copy (<see cref="Append"/>, <see cref="GpuAttention.Prefill"/>): for prompts with a codec that takes its time, such as a trellis.</param>
    /// <param name="owns">Whether pages that are full lie on the device alone, so that the processor's memory is for the rest; one copy of a cache may.</param>
    /// <exception cref="NotSupportedException">A codec of the cache has no kernels, or values are part of keys; the message says which. Or the device shall encode and has kernels for no codec of the cache, or rounds otherwise
    /// than the processor.</exception>
    /// <exception cref="InvalidOperationException">Another copy of the cache owns its pages.</exception>
    public GpuKvCache(KvCache cache, GpuDevice device, bool encodes = false, bool owns = false)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentNullException.ThrowIfNull(device);
        (Cache, Device, Encodes, Owns) = (cache, device, encodes, owns);
        foreach (int layer in cache.Geometry.OwnLayers)
        {
            if (cache.Geometry[layer].ValuesInKeys)
                throw new NotSupportedException($"Layer {layer} has values that are part of keys (ValuesInKeys): devices cannot read those; CacheAttention can.");
            LayerLayout layout = cache.LayerAt(layer).Layout;
            for (int step = 0; step < layout.Steps.Length; step++)
            {
                LayerGeometry geometry = cache.Geometry[layer];
                bool framed = layout.Steps[step].Sides[0].Codec.Form is { IsFramed: true };
                KernelShape shape = (StepCopy.ShapeOf(layout, step, layer) with { Waves = framed ? geometry.Rotary?.Speeds(geometry.KeyDimension).Length ?? 0 : 0 }).For(geometry.GroupSize, 1);
                if (device.Context.WhyNot(KernelSource.OfAttention, shape.Macros) is { } reason)
                    throw new NotSupportedException($"Layer {layer}: '{layout.Steps[step].Specs.Keys}' / '{layout.Steps[step].Specs.Values}' cannot be read on {device.Info.Name}: {reason}.");
            }
        }

        if (encodes && WhyNotEncodes(cache, device) is { } why)
            throw new NotSupportedException(why);
        if (owns && !cache.TryOwn(this))
            throw new InvalidOperationException("Another copy of the cache owns its pages: dispose that one first, or let this one be a copy that does not own.");
    }

    /// <summary>What it is a copy of.</summary>
    public KvCache Cache { get; }

    /// <summary>Where it lies.</summary>
    public GpuDevice Device { get; }

    /// <summary>Whether the device encodes.</summary>
    public bool Encodes { get; }

    /// <summary>Whether pages that are full lie on the device alone.</summary>
    public bool Owns { get; }

    /// <summary>Bytes of the device that it holds; pages that several copies hold count in each.</summary>
    public long DeviceBytes
    {
        get { lock (_lock) return _layers.Values.Sum(layer => layer.Bytes); }
    }

    /// <summary>Why a device cannot encode for a cache, in words for people; null where it can.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="device">The device.</param>
    public static string? WhyNotEncodes(KvCache cache, GpuDevice device)
    {
        ArgumentNullException.ThrowIfNull(cache);
        ArgumentNullException.ThrowIfNull(device);
        return BlockEncoder.WhyNot(cache, device);
    }

    /// <summary>Adds tokens to a layer of the cache, as <see cref="KvCache.Append(int, TokenRows, TokenRows)"/> does, to the same bytes. Where <see cref="Encodes"/> says so, the device encodes blocks that close;
    /// the processor those of codecs that the device has no kernels for, blocks of few rows, and rows that go on to another step by age.</summary>
    /// <param name="layer">As there.</param>
    /// <param name="keys">As there.</param>
    /// <param name="values">As there.</param>
    /// <exception cref="ArgumentException">As there.</exception>
    /// <exception cref="CacheFullException">As there.</exception>
    /// <exception cref="GpuException">The device has no room, or fails. The cache is unchanged.</exception>
    /// <exception cref="ObjectDisposedException">The copy, the cache or the device is disposed.</exception>
    public void Append(int layer, TokenRows keys, TokenRows values)
    {
        lock (_lock) ObjectDisposedException.ThrowIf(_disposed, this);
        if (Encodes)
        {
            using var encoder = new BlockEncoder(Device);
            Cache.Append(layer, keys, values, encoder);
        }
        else
        {
            Cache.Append(layer, keys, values);
        }

        if (Owns)
            LeaveIfPossible(layer);
    }

    /// <summary>Copies what came since the last time, of all layers, so that the next step need not. Where the copy <see cref="Owns"/> pages, those that may leave then do, unless this thread reads the cache: that counts as a write.</summary>
    /// <exception cref="GpuException">The device has no room for it, or fails; what was copied stays.</exception>
    /// <exception cref="ObjectDisposedException">The copy, the cache or the device is disposed.</exception>
    public void Upload()
    {
        List<int> leaving = [];
        Cache.EnterRead();
        try
        {
            foreach (int layer in Cache.Geometry.OwnLayers)
            {
                _ = Follow(layer);
                if (Owns && Cache.LayerAt(layer).MayLeave())
                    leaving.Add(layer);
            }
        }
        finally
        {
            Cache.ExitRead();
        }

        leaving.ForEach(Leave);
    }

    /// <summary>Gives the device's memory back, but for pages that the pool has no room for where the copy <see cref="Owns"/> them; the cache lives on. Twice is fine. Calls in progress that read it end first, the last of them gives the memory back; others are refused.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true; // nothing leaves any more
        }

        if (Owns)
        {
            Cache.ComeHome();
            Cache.Disown(this);
        }

        lock (_lock) ClearUnread();
    }

    /// <summary>Keeps the memory until <see cref="Exit"/>, whoever disposes the copy.</summary>
    /// <exception cref="ObjectDisposedException">Somebody did.</exception>
    internal void Enter()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _readers++;
        }
    }

    /// <summary>Ends what <see cref="Enter"/> began.</summary>
    internal void Exit()
    {
        lock (_lock)
        {
            _readers--;
            ClearUnread();
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
                _layers.Add(source, copy = new(Device));
            copy.Follow(Cache.LayerAt(source));
            return copy;
        }
    }

    // The tokens are there: what fails now is no failure of the call, and the next one tries again.
    private void LeaveIfPossible(int layer)
    {
        try
        {
            Cache.EnterRead();
            try
            {
                if (!Cache.LayerAt(layer).MayLeave())
                    return;
                _ = Follow(layer);
            }
            finally
            {
                Cache.ExitRead();
            }

            Leave(layer);
        }
        catch (Exception failure) when (failure is GpuException or CacheFullException or InvalidOperationException or NotSupportedException)
        {
        }
    }

    private void Leave(int layer) => Cache.LetLeave(() =>
    {
        lock (_lock)
        {
            if (!_disposed && _layers.TryGetValue(layer, out LayerCopy? copy))
                copy.Leave(Cache.LayerAt(layer));
        }
    });

    private void ClearUnread()
    {
        if (!_disposed || _readers > 0)
            return;
        foreach (LayerCopy layer in _layers.Values)
            layer.Clear();
        _layers.Clear();
    }
}
