using Kvant.Caching;

namespace Kvant.Gpu.Memory;

/// <summary>What a device has of one layer of a cache.</summary>
internal sealed class LayerCopy(GpuDevice device)
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
            (Steps, Front) = ([.. Enumerable.Range(0, layer.Layout.Steps.Length).Select(step => new StepCopy(device, layer.Layout, step))], new(device.Memory, layer.Layout));
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

    /// <summary>Lets pages of the layer leave whose bytes are all here. Whoever calls has the cache to himself.</summary>
    public void Leave(LayerMemory layer)
    {
        // Whoever wrote since the last copy may have written over what was copied.
        if (_layout != layer.Layout || _mark != layer.BodyMark)
            return;
        foreach (StepCopy step in Steps)
            step.Leave(layer);
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
