using System.Text;
using Kvant.Codecs;
using Kvant.Kernels;
using Kvant.Numerics;
using Kvant.Tests.Kernels;

namespace Kvant.Tests.Codecs;

/// <summary>
/// The bytes of every method, as CRC-32C per spec, dimension and role in Golden/codes.txt. They are the stored format: a line
/// that changes breaks every file that users have. Each process runs its own width: the legs those below the machine's, this one the rest.
/// </summary>
[Collection(Widths.Name)]
[Trait(Widths.Trait, "width")]
public sealed class GoldenTests
{
    private static readonly int[] s_dimensions = [32, 64, 80, 96, 112, 128, 256];
    private static readonly Dictionary<int, float[]> s_rows = s_dimensions.ToDictionary(d => d, d => Rows(128, d));

    [Fact]
    public void EveryMethodWritesTheGoldenBytesAtEveryWidth()
    {
        string[] texts = Widths.At(Widths.Native, Describe);
        Assert.All(texts, text => Assert.Equal(texts[0], text));
        string golden = Path.Combine(AppContext.BaseDirectory, "Golden", "codes.txt");
        string actual = Path.Combine(AppContext.BaseDirectory, "codes.actual.txt");
        File.WriteAllText(actual, texts[0]);
        Assert.True(
            File.Exists(golden) && File.ReadAllText(golden) == texts[0],
            $"The bytes are not those of Golden/codes.txt. New methods and settings add lines; no line ever changes. What this build writes: {actual}");
    }

    private static string Describe()
    {
        var text = new StringBuilder();
        foreach (CodecMethod method in CodecCatalog.Methods)
        {
            foreach (string spec in CodecCases.SpecsOf(method).Where(s => !s.EndsWith("length=4096", StringComparison.Ordinal)))
            {
                foreach (int dimension in s_dimensions)
                {
                    foreach (CodecRole role in (CodecRole[])[CodecRole.Keys, CodecRole.Values, CodecRole.KeyTiles, CodecRole.ValueTiles])
                    {
                        if (Checksum(spec, dimension, role) is { } line)
                            text.Append(line).Append('\n');
                    }
                }
            }
        }

        return text.ToString();
    }

    private static string? Checksum(string spec, int dimension, CodecRole role)
    {
        float[] rows = s_rows[dimension];
        try
        {
            Codec codec = CodecSpec.Parse(spec).CreateCodec(dimension, role);
            if (CodecCases.IsLikeAnother(spec, dimension, role))
                return null; // no tiles: the bytes are those of another line
            codec = codec.Calibrate(rows);
            byte[] blocks = CodecCases.Encode(codec, rows.AsSpan(0, codec.RowsInBlocks(128) * dimension));
            return $"{CodecSpec.Parse(spec).FullText} {dimension} {role} {blocks.Length} {Crc32C.Compute(blocks):x8}";
        }
        catch (ArgumentException)
        {
            return null; // the method does not take the dimension
        }
    }

    // Norms from tiny to large, a loud channel, a row of zeros.
    private static float[] Rows(int count, int dimension)
    {
        var random = new SeededRandom(2026, (ulong)dimension);
        var rows = new float[count * dimension];
        for (int i = 0; i < rows.Length; i++)
            rows[i] = (float)(random.NextGaussian() * (i % dimension == 5 ? 20 : 1) * (i / dimension % 7));
        return rows;
    }
}
