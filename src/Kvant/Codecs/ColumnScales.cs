namespace Kvant.Codecs;

/// <summary>How the scales of columns are stored: in fp16, or in 8 bits as sixteenths of an octave from 2^-10 to 2^5.9.</summary>
internal sealed class ColumnScales(int bits)
{
    private const int One = 160; // the code of 1

    private static readonly float[] s_values = Values();

    /// <summary>Bytes of all scales.</summary>
    /// <param name="dimension">How many there are.</param>
    public int Bytes(int dimension) => dimension * Math.Max(8, bits) / 8;

    /// <summary>Stores scales of at most 61 and puts what is read back in their place, never less than 2^-10.</summary>
    public void Write(Span<float> scales, Span<byte> stored)
    {
        for (int c = 0; c < scales.Length; c++)
        {
            float scale = MathF.Max(scales[c], s_values[0]);
            if (bits == 4)
                scales[c] = s_values[stored[c] = (byte)Math.Clamp((Nearest(scale) + 2) / 4 * 4, 120, 180)];
            else if (bits == 8)
                scales[c] = s_values[stored[c] = Nearest(scale)];
            else
                scales[c] = Fp16.Write(stored[(c * Fp16.Bytes)..], scale);
        }
    }

    /// <summary>Reads scales.</summary>
    public void Read(ReadOnlySpan<byte> stored, Span<float> scales)
    {
        for (int c = 0; c < scales.Length; c++)
            scales[c] = bits <= 8 ? s_values[stored[c]] : Fp16.Read(stored[(c * Fp16.Bytes)..]);
    }

    private static byte Nearest(float scale)
    {
        int at = Array.BinarySearch(s_values, scale);
        if (at >= 0)
            return (byte)at;
        int above = Math.Min(~at, s_values.Length - 1), below = Math.Max(~at - 1, 0);

        // Halfway by ratio.
        return (byte)((double)scale * scale < (double)s_values[below] * s_values[above] ? below : above);
    }

    // By square roots and products alone, which are the same on every machine.
    private static float[] Values()
    {
        double step = Math.Sqrt(Math.Sqrt(Math.Sqrt(Math.Sqrt(2))));
        var values = new float[256];
        for (int i = 0; i < values.Length; i++)
        {
            double fraction = 1;
            for (int k = 0; k < i % 16; k++)
                fraction *= step;
            values[i] = (float)Math.ScaleB(fraction, (i / 16) - (One / 16));
        }

        return values;
    }
}
