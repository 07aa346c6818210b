namespace Kvant.Models.Tests.Reference;

/// <summary>What ggml's blocks mean, number by number in double precision, from the structures in ggml's documentation.</summary>
internal static class ReferenceFormats
{
    public static double[] Dequantize(string format, byte[] bytes, int count) =>
        [.. Enumerable.Range(0, count).Select(i => format switch
        {
            "F32" => BitConverter.ToSingle(bytes, 4 * i),
            "F16" => (double)BitConverter.ToHalf(bytes, 2 * i),
            "BF16" => BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(bytes, 2 * i) << 16),
            "Q8_0" => Half(bytes, i / 32 * 34) * (sbyte)bytes[(i / 32 * 34) + 2 + (i % 32)],
            "Q4_0" => Half(bytes, i / 32 * 18) * (Nibble(bytes, (i / 32 * 18) + 2, i % 32) - 8),
            "Q4_1" => (Half(bytes, i / 32 * 20) * Nibble(bytes, (i / 32 * 20) + 4, i % 32)) + Half(bytes, (i / 32 * 20) + 2),
            "Q5_0" => Half(bytes, i / 32 * 22) * (Five(bytes, (i / 32 * 22) + 2, i % 32) - 16),
            "Q5_1" => (Half(bytes, i / 32 * 24) * Five(bytes, (i / 32 * 24) + 4, i % 32)) + Half(bytes, (i / 32 * 24) + 2),
            "Q4_K" => Affine(bytes, i / 256 * 144, i % 256, Run(bytes, (i / 256 * 144) + 16, i % 256)),
            "Q5_K" => Affine(bytes, i / 256 * 176, i % 256, Run(bytes, (i / 256 * 176) + 48, i % 256) + (16 * Bit(bytes[(i / 256 * 176) + 16 + (i % 32)], i % 256 / 32))),
            "Q6_K" => Six(bytes, i / 256 * 210, i % 256),
            _ => throw new ArgumentException(format),
        })];

    private static double Half(byte[] bytes, int at) => (double)BitConverter.ToHalf(bytes, at);

    private static int Bit(int word, int bit) => (word >> bit) & 1;

    private static int Nibble(byte[] bytes, int at, int i) => i < 16 ? bytes[at + i] & 15 : bytes[at + i - 16] >> 4;

    private static int Five(byte[] bytes, int at, int i) => Nibble(bytes, at + 4, i) + (16 * Bit(BitConverter.ToInt32(bytes, at), i));

    // 32 bytes hold numbers 0 to 31 of a run of 64 in their low nibbles and 32 to 63 in their high ones.
    private static int Run(byte[] bytes, int at, int i) => i % 64 < 32 ? bytes[at + (i / 64 * 32) + (i % 32)] & 15 : bytes[at + (i / 64 * 32) + (i % 32)] >> 4;

    private static double Affine(byte[] bytes, int at, int i, int code)
    {
        int run = i / 32, s = at + 4;
        int scale = run < 4 ? bytes[s + run] & 63 : (bytes[s + run + 4] & 15) + (16 * (bytes[s + run - 4] >> 6));
        int shift = run < 4 ? bytes[s + run + 4] & 63 : (bytes[s + run + 4] >> 4) + (16 * (bytes[s + run] >> 6));
        return (Half(bytes, at) * scale * code) - (Half(bytes, at + 2) * shift);
    }

    private static double Six(byte[] bytes, int at, int i)
    {
        int half = i / 128, inside = i % 128, quarter = inside / 32, l = inside % 32;
        int low = bytes[at + (64 * half) + l + (32 * (quarter % 2))];
        int code = (quarter < 2 ? low & 15 : low >> 4) + (16 * ((bytes[at + 128 + (32 * half) + l] >> (2 * quarter)) & 3)) - 32;
        return Half(bytes, at + 208) * (sbyte)bytes[at + 192 + (8 * half) + (inside / 16)] * code;
    }
}
