using Kvant.Models.Formats;

namespace Kvant.Models.Tests;

/// <summary>Random bytes as blocks of a format, with scales of a sensible size.</summary>
internal static class RandomBlocks
{
    /// <summary>Blocks whose numbers have a root mean square of about <paramref name="size"/>.</summary>
    public static byte[] CreateOfSize(TensorFormat format, int count, int seed, double size)
    {
        float[] numbers = new float[count];
        format.Dequantize(Create(format, count, seed), numbers);
        return Create(format, count, seed, (float)(size / Math.Sqrt(numbers.Average(x => (double)x * x))));
    }

    public static byte[] Create(TensorFormat format, int count, int seed, float scale = 1)
    {
        Random random = new(seed);
        byte[] bytes = new byte[format.Bytes(count)];
        random.NextBytes(bytes);
        for (int at = 0; at < bytes.Length; at += format.BlockBytes)
        {
            Span<byte> block = bytes.AsSpan(at, format.BlockBytes);
            switch (format.Name)
            {
                case "F32": BitConverter.TryWriteBytes(block, ((random.NextSingle() * 2) - 1) * scale); break;
                case "F16": BitConverter.TryWriteBytes(block, Scale()); break;
                case "BF16": BitConverter.TryWriteBytes(block, (ushort)(BitConverter.SingleToUInt32Bits(((random.NextSingle() * 2) - 1) * scale) >> 16)); break;
                case "Q6_K": BitConverter.TryWriteBytes(block[208..], Scale()); break;
                default:
                    BitConverter.TryWriteBytes(block, Scale());
                    if (format.Name is "Q4_1" or "Q5_1" or "Q4_K" or "Q5_K") BitConverter.TryWriteBytes(block[2..], Scale());
                    break;
            }
        }
        return bytes;

        Half Scale() => (Half)(((random.NextSingle() * 2) - 1) * scale);
    }
}
