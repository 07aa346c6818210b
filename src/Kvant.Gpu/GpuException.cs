namespace Kvant.Gpu;

/// <summary>A device, or its driver, does not do what it was asked to: there is none, its memory is full, or it failed. The message says which.</summary>
public sealed class GpuException : Exception
{
    /// <summary>Something that a device did not do.</summary>
    /// <param name="message">What was asked, and what came of it.</param>
    public GpuException(string message)
        : base(message)
    {
    }
}
