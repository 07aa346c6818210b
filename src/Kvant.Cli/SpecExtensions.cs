using Kvant.Codecs;

namespace Kvant.Cli;

/// <summary>Questions about a spec.</summary>
internal static class SpecExtensions
{
    /// <summary>Whether the method takes rows of this dimension, and so many rows fill at least one block.</summary>
    public static bool Takes(this CodecSpec spec, int rows, int dimension, CodecRole role = CodecRole.Rows)
    {
        try
        {
            return spec.FewestRows(dimension, role) <= rows;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>How many rows it takes for the first block; fewer stay in 16-bit floats.</summary>
    /// <exception cref="ArgumentException">The method does not take the dimension.</exception>
    public static int FewestRows(this CodecSpec spec, int dimension, CodecRole role)
    {
        Codec codec = spec.CreateCodec(dimension, role);
        return Math.Max(codec.CalibrationRows, codec.RowsPerBlock);
    }
}
