using System.Text;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Kernels;
using static Kvant.Tests.Formats.CompressedCacheSamples;

namespace Kvant.Tests.Formats;

public sealed class CompressedCacheHostileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> EveryMethod => [.. CodecCatalog.Methods.Select(m => m.Name)];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryFlippedByteIsDetected() => Assert.Equal(0, Hostile().FlipEveryByte(Tiny()));

    [Fact]
    public void EveryTruncationIsRefused() => Assert.Equal(0, Hostile().TruncateToEveryLength(Tiny()));

    [Fact]
    public void MutantsAreSurvived() => Hostile().Mutate(Tiny(), seed: 20260104, TimeSpan.FromSeconds(1));

    /// <summary>Mutants whose header checksum was made right again reach the checks behind it.</summary>
    [Fact]
    public void MutantsWithAValidHeaderChecksumAreSurvived()
    {
        HostileBytes hostile = new(path =>
        {
            File.WriteAllBytes(path, Reseal(File.ReadAllBytes(path)));
            ReadAll(path);
        }, allocationPerByte: 64);
        hostile.Mutate(Tiny(), seed: 20260105, TimeSpan.FromSeconds(2));
    }

    [Theory]
    [MemberData(nameof(EveryMethod))]
    public void DamagedTensorIsNamedAndItsHeadRefused(string method)
    {
        // 150 rows: blocks, a tail for every block length but 1, and enough to calibrate from.
        CacheGeometry geometry = TraceSamples.Geometry(1, 2, 64, 64);
        byte[] bytes = File.ReadAllBytes(Write(_folder.File("good"), Layout(geometry, 150, new LayerPolicy([Specs(method, method)]), queryHeads: 2)));
        using SafetensorsFile file = SafetensorsFile.Open(_folder.File("good"));
        foreach (TensorInfo tensor in file.Tensors)
        {
            byte[] damaged = [.. bytes];
            damaged[tensor.Offset + (tensor.ByteLength / 2)] ^= 16;
            string path = _folder.Write("bad", damaged);
            using (CompressedCacheFile cache = CompressedCacheFile.Open(path))
                Assert.Contains($"{tensor.Name}: the tensor is damaged", Assert.Throws<InvalidDataException>(cache.VerifyChecksums).Message);
            Assert.Contains($"{tensor.Name}: the tensor is damaged", Assert.Throws<InvalidDataException>(() => ReadAll(path)).Message);
        }
    }

    [Theory]
    [InlineData("\"kvant.cache\":\"1\"", "\"kvant.cache\":\"2\"", "compressed cache version 2 found, 1 wanted")]
    [InlineData("\"kvant.cache\":\"1\"", "\"kvant.cachE\":\"1\"", "'kvant.cache' is missing")]
    [InlineData("\"layers\":\"1\"", "\"layers\":\"2\"", "2 layers of 1 heads do not fit 3 tensors")]
    [InlineData("\"layers\":\"1\"", "\"layers\":\"0\"", "'layers' is '0'")]
    [InlineData("\"kv_heads\":\"1\"", "\"kv_heads\":\"9\"", "1 layers of 9 heads do not fit")]
    [InlineData("\"kv_heads\":\"1\"", "\"kv_heads\":\"+\"", "'kv_heads' is '+', a whole number")]
    [InlineData("\"tokens\":\"2\"", "\"tokens\":\"0\"", "0 tokens")]
    [InlineData("\"tokens\":\"2\"", "\"tokens\":\"3\"", "wanted")]
    [InlineData("\"tokens\":\"2\"", "\"tokenz\":\"2\"", "'tokens' is missing")]
    [InlineData("\"query_heads\":\"1\"", "\"query_heads\":\"0\"", "3 tensors found, 2 wanted")]
    [InlineData("\"query_heads\":\"1\"", "\"query_heads\":\"2\"", "wanted")]
    [InlineData("\"key_dimension\":\"2\"", "\"key_dimension\":\"3\"", "wanted")]
    [InlineData("\"value_dimension\":\"1\"", "\"value_dimension\":\"0\"", "'value_dimension' is '0'")]
    [InlineData("\"layers.0.keys\":\"fp16\"", "\"layers.0.keys\":\"fp17\"", "'layers.0.keys' is no codec spec: Unknown codec 'fp17'")]
    [InlineData("\"layers.0.keys\":\"fp16\"", "\"layers.0.keys\":\"fp32\"", "wanted")]
    [InlineData("\"crc32c.layers.0.key.0\"", "\"crc32c.layers.0.key.x\"", "'crc32c.layers.0.key.0' is missing")]
    [InlineData("\"layers.0.key.0\":{", "\"layers.0.key.1\":{", "'layers.0.key.0' is missing")]
    [InlineData("\"dtype\":\"U8\",\"shape\":[2,4]", "\"dtype\":\"U8\",\"shape\":[4,2]", "U8 [2, 4] wanted")]
    [InlineData("\"dtype\":\"F16\",\"shape\":[1,2,2]", "\"dtype\":\"BF16\",\"shape\":[1,2,2]", "queries of type BF16")]
    public void LyingHeaderWithAValidChecksumIsRefusedWithReason(string old, string replacement, string reason)
    {
        byte[] bytes = Tiny();
        int length = BitConverter.ToInt32(bytes);
        string header = Encoding.UTF8.GetString(bytes, 8, length);
        Assert.Contains(old, header);
        byte[] changed = Reseal(SafetensorsSamples.Build(Encoding.UTF8.GetBytes(header.Replace(old, replacement)), bytes[(8 + length)..]));
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => ReadAll(_folder.Write("lie", changed))).Message);
    }

    [Fact]
    public void ChecksumsOfTheWrongFormAreRefused()
    {
        string header = Encoding.UTF8.GetString(Tiny());
        int digits = header.IndexOf("crc32c.layers.0.key.0\":\"", StringComparison.Ordinal) + "crc32c.layers.0.key.0\":\"".Length;
        foreach (string form in (string[])["ABCDEF01", "+1234567", "1234567 ", "0x123456"])
        {
            byte[] bytes = Tiny();
            Encoding.ASCII.GetBytes(form, bytes.AsSpan(digits));
            Assert.Contains("lower-case hexadecimal", Assert.Throws<InvalidDataException>(() => ReadAll(_folder.Write("form", Reseal(bytes)))).Message);
        }
    }

    [Fact]
    public void NumberThatIsNotFiniteBehindValidChecksumsIsRefused()
    {
        byte[] bytes = Tiny();
        using (SafetensorsFile file = SafetensorsFile.Open(_folder.Write("t", bytes)))
        {
            TensorInfo keys = file.Tensor("layers.0.key.0");
            bytes[keys.Offset + 5] = 0x7c;
            bytes[keys.Offset + 4] = 0;
            string mark = "\"crc32c.layers.0.key.0\":\"";
            int place = Encoding.Latin1.GetString(bytes).IndexOf(mark, StringComparison.Ordinal) + mark.Length;
            Encoding.ASCII.GetBytes(CompressedCacheMetadata.Checksum(Crc32C.Compute(bytes.AsSpan((int)keys.Offset, (int)keys.ByteLength))), bytes.AsSpan(place));
        }
        Assert.Contains("layer 0, head 0, token 1, channel 0", Assert.Throws<InvalidDataException>(() => ReadAll(_folder.Write("inf", Reseal(bytes)))).Message);
    }

    [Fact]
    public void OtherSafetensorsFilesAreRefused() =>
        Assert.Contains("'kvant.cache' is missing", Assert.Throws<InvalidDataException>(() => CompressedCacheFile.Open(TraceSamples.Mini)).Message);

    private static HostileBytes Hostile() => new(ReadAll);

    private byte[] Tiny()
    {
        CompressedCacheLayout layout = new()
        {
            Geometry = TraceSamples.Geometry(1, 1, 2, 1),
            Tokens = 2,
            Policy = LayerPolicy.Uniform(1, CodecSpec.Parse("fp16"), CodecSpec.Parse("fp32")),
            QueryHeads = 1,
        };
        return File.ReadAllBytes(Write(_folder.File("tiny"), layout));
    }

    /// <summary>Makes the checksum of a damaged header right, if it has a place for one.</summary>
    private static byte[] Reseal(byte[] bytes)
    {
        ReadOnlySpan<byte> mark = "\"crc32c.header\":\""u8;
        long length = bytes.Length < 8 ? 0 : BitConverter.ToInt64(bytes);
        if (length < mark.Length + 8 || length > bytes.Length - 8) return bytes;
        Span<byte> header = bytes.AsSpan(8, (int)length);
        int place = header.IndexOf(mark) + mark.Length;
        if (place < mark.Length || place + 8 > header.Length) return bytes;
        "00000000"u8.CopyTo(header[place..]);
        CompressedCacheMetadata.Seal(header);
        return bytes;
    }
}
