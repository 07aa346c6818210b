using Kvant.Caching;

namespace Kvant.Gpu.Memory;

/// <summary>What a device has of one layer of a cache.</summary>
internal sealed class LayerCopy(DeviceMemory memory)
{
    private LayerLayout? _layout;
    private long _mark;

    /// <summary>The steps of its body.</summary>
    public StepCopy[] Steps { get; private set; } = [];

    /// <summary>Its sinks and window; null before the first copy.</summary>
    public FrontCopy? Front { get; private set; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes => Steps.Sum(step => step.Bytes) + (Front?.Bytes ?? 0);

    /// <summary>Copies what came to the layer and forgets what went. Whoever calls holds the cache's lock.</summary>
    /// <exception cref="GpuException">The device has no room; what was copied stays.</exception>
    /// <exception cref="NotSupportedException">Rows were coded again by a codec that has no kernels.</exception>
    public void Follow(LayerMemory layer)
    {
        if (_layout != layer.Layout)
        {
            Clear();
            (Steps, Front) = ([.. Enumerable.Range(0, layer.Layout.Steps.Length).Select(step => new StepCopy(memory, layer.Layout, step))], new(memory, layer.Layout));
            _layout = layer.Layout;
        }

        if (_mark != layer.BodyMark)
        {
            foreach (StepCopy step in Steps)
                step.Clear();
            _mark = layer.BodyMark;
        }

        foreach (StepCopy step in Steps)
            step.Follow(layer);
        Front!.Follow(layer);
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        foreach (StepCopy step in Steps)
            step.Clear();
        Front?.Clear();
        (_layout, Steps, Front) = (null, [], null);
    }
}
