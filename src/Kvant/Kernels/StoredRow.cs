namespace Kvant.Kernels;

/// <summary>Where a row lies, and where its scales.</summary>
internal readonly unsafe struct StoredRow(byte* bytes, float* scales, int scaleStride)
{
    /// <summary>The row's first byte.</summary>
    public readonly byte* Bytes = bytes;

    /// <summary>The scale of the row's first group of numbers; null where the format has none.</summary>
    public readonly float* Scales = scales;

    /// <summary>Floats from the scale of one group to that of the next.</summary>
    public readonly int ScaleStride = scaleStride;
}
