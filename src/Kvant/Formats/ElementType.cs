namespace Kvant.Formats;

/// <summary>How one number of a tensor is stored; the names are those of the safetensors format.</summary>
public enum ElementType
{
    /// <summary>IEEE 754 single precision, 4 bytes.</summary>
    F32,

    /// <summary>IEEE 754 half precision, 2 bytes.</summary>
    F16,

    /// <summary>The upper half of a single-precision number, 2 bytes.</summary>
    BF16,

    /// <summary>Unsigned byte.</summary>
    U8,

    /// <summary>Signed 32-bit integer.</summary>
    I32,
}
