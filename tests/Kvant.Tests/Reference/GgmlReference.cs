using System.Buffers.Binary;

namespace Kvant.Tests.Reference;

/// <summary>
/// llama.cpp's blocks of 32 numbers, byte for byte. q8_0: fp16 scale max|x|/127, then 32 signed bytes round(x / scale), halves
/// away from zero. q4_0: fp16 scale (the number of largest magnitude, the first of equals)/-8, then 16 bytes, number i in the
/// low and number 16 + i in the high half, each min(15, floor(x / scale + 8.5)). Float where llama.cpp has float: bytes depend on it.
/// </summary>
internal static class GgmlReference
{
    public static byte[] EncodeQ8(ReadOnlySpan<float> x)
    {
        float largest = 0;
        foreach (float v in x)
            largest = MathF.Max(largest, MathF.Abs(v));
        float scale = largest / 127, inverse = scale == 0 ? 0 : 1 / scale;
        var block = new byte[34];
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
        for (int i = 0; i < 32; i++)
            block[2 + i] = (byte)(sbyte)MathF.Round(x[i] * inverse, MidpointRounding.AwayFromZero);
        return block;
    }

    public static byte[] EncodeQ4(ReadOnlySpan<float> x)
    {
        float largest = 0;
        foreach (float v in x)
        {
            if (MathF.Abs(v) > MathF.Abs(largest))
                largest = v;
        }

        float scale = largest / -8, inverse = scale == 0 ? 0 : 1 / scale;
        var block = new byte[18];
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
        for (int i = 0; i < 16; i++)
        {
            int low = Math.Min(15, (int)((x[i] * inverse) + 8.5f)), high = Math.Min(15, (int)((x[16 + i] * inverse) + 8.5f));
            block[2 + i] = (byte)(low | (high << 4));
        }

        return block;
    }

    public static double[] DecodeQ8(ReadOnlySpan<byte> block)
    {
        double scale = (double)BinaryPrimitives.ReadHalfLittleEndian(block);
        var x = new double[32];
        for (int i = 0; i < 32; i++)
            x[i] = scale * (sbyte)block[2 + i];
        return x;
    }

    public static double[] DecodeQ4(ReadOnlySpan<byte> block)
    {
        double scale = (double)BinaryPrimitives.ReadHalfLittleEndian(block);
        var x = new double[32];
        for (int i = 0; i < 16; i++)
        {
            x[i] = scale * ((block[2 + i] & 15) - 8);
            x[16 + i] = scale * ((block[2 + i] >> 4) - 8);
        }

        return x;
    }
}
