using Kvant.Codecs;

namespace Kvant.Cli;

/// <summary>Questions about a spec.</summary>
internal static class SpecExtensions
{
    /// <summary>Whether the method takes rows of this dimension.</summary>
    public static bool Takes(this CodecSpec spec, int dimension, CodecRole role = CodecRole.Rows)
    {
        try
        {
            spec.CreateCodec(dimension, role);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
