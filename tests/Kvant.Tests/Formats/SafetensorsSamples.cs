using System.Buffers.Binary;
using System.Text;

namespace Kvant.Tests.Formats;

/// <summary>Safetensors files built byte by byte, without the writer under test.</summary>
internal static class SafetensorsSamples
{
    internal static byte[] Build(string header, int dataLength) => Build(Encoding.UTF8.GetBytes(header), new byte[dataLength]);

    internal static byte[] Build(byte[] header, byte[] data)
    {
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        return [.. length, .. header, .. data];
    }

    /// <summary>Two tensors and metadata: the file on which flips and truncations are tried.</summary>
    internal static byte[] Small { get; } = Build(
        Encoding.UTF8.GetBytes("""{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}} """),
        [0, 0, 128, 63, 0, 0, 0, 64, 1, 2, 3]);
}
