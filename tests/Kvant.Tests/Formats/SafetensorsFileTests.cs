using System.Buffers.Binary;
using System.Text;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void HandBuiltFileIsRead()
    {
        using SafetensorsFile file = Open(SafetensorsSamples.Small);
        Assert.Equal("v", file.Metadata["k"]);
        Assert.Equal(["a", "b"], file.Tensors.Select(t => t.Name));
        TensorInfo a = file.Tensor("a");
        Assert.Equal((ElementType.F32, 2L, 8L), (a.ElementType, a.ElementCount, a.ByteLength));
        Assert.Equal([2, 1], a.Shape);
        Assert.Equal(file.Length - 11, a.Offset);
        Assert.Equal([1, 2, 3], file.Bytes(file.Tensor("b")).ToArray());
        Assert.Equal([2, 3], file.Bytes(file.Tensor("b"), 1, 2).ToArray());
        float[] numbers = new float[2];
        file.ReadSingles(a, 0, numbers);
        Assert.Equal([1f, 2f], numbers);
    }

    [Fact]
    public void TensorsAreListedInOrderOfTheirBytes()
    {
        using SafetensorsFile file = Open("""{"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"e":{"dtype":"I32","shape":[0,5],"data_offsets":[1,1]},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}""", 3);
        Assert.Equal(["a", "e", "b"], file.Tensors.Select(t => t.Name));
        Assert.Equal(1, file.Tensor("a").ElementCount);
        Assert.Empty(file.Metadata);
    }

    [Fact]
    public void FileWithoutTensorsIsRead()
    {
        using SafetensorsFile file = Open("{}", 0);
        Assert.Empty(file.Tensors);
    }

    [Theory]
    [InlineData("", 0, "must begin with '{'")]
    [InlineData(" {}", 0, "must begin with '{'")]
    [InlineData("[]", 0, "must begin with '{'")]
    [InlineData("{}\n", 0, "must end with '}' and spaces")]
    [InlineData("{", 0, "must end with '}'")]
    [InlineData("{}{}", 0, "not valid JSON")]
    [InlineData("{/**/}", 0, "not valid JSON")]
    [InlineData("{} }", 0, "not valid JSON")]
    [InlineData("""{"a":1}""", 0, "'a' holds Number where StartObject is wanted")]
    [InlineData("""{"a":{}}""", 0, "lacks dtype, shape or data_offsets")]
    [InlineData("""{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, "a name has 0 bytes")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2, "'a' appears twice")]
    [InlineData("""{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, "unknown or repeated field 'dtype'")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}}""", 1, "unknown or repeated field 'x'")]
    [InlineData("""{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}""", 8, "element type 'F64'; supported are F32, F16, BF16, U8, I32")]
    [InlineData("""{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}""", 4, "element type 'f32'")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}}""", 1, "needs 2 bytes, data_offsets give 1")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1]}}""", 1, "needs 4 bytes")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,2]}}""", 1, "ends at byte 2 of the data, the file has 1; it is cut short")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}""", 1, "two rising numbers")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}""", 1, "two rising numbers")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}""", 1, "two rising numbers")]
    [InlineData("""{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}""", 1, "no whole number")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}""", 1, "no whole number")]
    [InlineData("""{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}""", 1, "no whole number")]
    [InlineData("""{"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}}""", 1, "no whole number")]
    [InlineData("""{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "product is too large")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}""", 0, "product is too large")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}""", 1, "more than 16 dimensions")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2, "belong to no tensor")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}""", 3, "1 bytes before the tensor 'b' belong to no tensor")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3, "'b' overlaps")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 2, "the tensors end at byte")]
    [InlineData("{}", 1, "the tensors end at byte")]
    [InlineData("""{"__metadata__":{"k":1}}""", 0, "'k' holds Number where String is wanted")]
    [InlineData("""{"__metadata__":{"k":"v","k":"w"}}""", 0, "the metadata 'k' appears twice")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "'__metadata__' appears twice")]
    [InlineData("""{"__metadata__":{"k":"\ud800"}}""", 0, "not valid JSON")]
    [InlineData("""{"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}}""", 1, "not valid JSON")]
    public void BadHeaderIsRefusedWithReasonAndOffset(string header, int dataLength, string reason)
    {
        InvalidDataException e = Assert.Throws<InvalidDataException>(() => Open(header, dataLength));
        Assert.Contains(reason, e.Message);
        Assert.Contains("at byte ", e.Message);
    }

    [Fact]
    public void InvalidUtf8IsRefused()
    {
        byte[] header = Encoding.UTF8.GetBytes("""{"__metadata__":{"k":"?"}}""");
        header[Array.IndexOf(header, (byte)'?')] = 0xff;
        Assert.Throws<InvalidDataException>(() => Open(SafetensorsSamples.Build(header, [])));
    }

    [Fact]
    public void LongNameIsRefused() =>
        Assert.Contains("1 to 1024", Assert.Throws<InvalidDataException>(() =>
            Open($$$"""{"{{{new string('n', 1025)}}}":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1)).Message);

    [Theory]
    [InlineData(ulong.MaxValue, "at most 100000000")]
    [InlineData(100_000_001UL, "at most 100000000")]
    [InlineData(100_000_000UL, "the file has")]
    [InlineData(1UL << 63, "at most 100000000")]
    public void LyingHeaderLengthIsRefused(ulong length, string reason)
    {
        byte[] bytes = [.. SafetensorsSamples.Small];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => Open(bytes)).Message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void TooShortFileIsRefused(int length) => Assert.Throws<InvalidDataException>(() => Open(new byte[length]));

    [Fact]
    public void MissingFileIsReported() => Assert.Throws<FileNotFoundException>(() => SafetensorsFile.Open(_folder.File("none")));

    [Fact]
    public void FolderIsRefused() => Assert.Contains("is a folder", Assert.Throws<IOException>(() => SafetensorsFile.Open(_folder.Root)).Message);

    [Fact]
    public void MissingTensorIsNamedWithTheFile()
    {
        using SafetensorsFile file = Open(SafetensorsSamples.Small);
        InvalidDataException e = Assert.Throws<InvalidDataException>(() => file.Tensor("nothing"));
        Assert.Contains("'nothing'", e.Message);
        Assert.Contains(file.Path, e.Message);
        Assert.False(file.TryGetTensor("nothing", out _));
    }

    [Fact]
    public void ReadsOutsideTheTensorAreRefused()
    {
        using SafetensorsFile file = Open(SafetensorsSamples.Small);
        using SafetensorsFile other = SafetensorsFile.Open(file.Path);
        TensorInfo a = file.Tensor("a"), b = file.Tensor("b");
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(b, 2, 2).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(b, -1, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(b, 0, -1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.Bytes(b, long.MaxValue, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadSingles(a, 1, new float[2]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadSingles(a, -1, new float[1]));
        Assert.Throws<ArgumentException>(() => file.ReadSingles(b, 0, new float[1]));
        Assert.Throws<ArgumentException>(() => file.Bytes(other.Tensor("a")).Length);
    }

    [Fact]
    public void ClosedFileRefusesReads()
    {
        SafetensorsFile file = Open(SafetensorsSamples.Small);
        TensorInfo a = file.Tensor("a");
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Bytes(a).Length);
        Assert.Throws<ObjectDisposedException>(() => file.Bytes(a, 0, 1).Length);
        Assert.Throws<ObjectDisposedException>(() => file.ReadSingles(a, 0, new float[1]));
    }

    [Theory]
    [InlineData("F16")]
    [InlineData("BF16")]
    public void EverySixteenBitPatternConvertsAsDefined(string type)
    {
        byte[] data = new byte[2 << 16];
        for (int i = 0; i < 1 << 16; i++) BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2 * i), (ushort)i);
        // One space less or more shifts the data to an odd address.
        foreach (string padding in (string[])["", " "])
        {
            using SafetensorsFile file = Open(SafetensorsSamples.Build(Encoding.UTF8.GetBytes($$$"""{"x":{"dtype":"{{{type}}}","shape":[65536],"data_offsets":[0,131072]}}""" + padding), data));
            float[] numbers = new float[1 << 16];
            file.ReadSingles(file.Tensor("x"), 0, numbers);
            for (int i = 0; i < numbers.Length; i++)
            {
                float wanted = type == "F16" ? (float)BitConverter.UInt16BitsToHalf((ushort)i) : BitConverter.UInt32BitsToSingle((uint)i << 16);
                Assert.True(wanted.Equals(numbers[i]), $"pattern {i:x4}: {numbers[i]} found, {wanted} wanted");
            }
        }
    }

    [Fact]
    public void TensorOverTwoGigabytesIsReadInParts()
    {
        const long Length = (1L << 31) + 64;
        string path = _folder.Write("large", SafetensorsSamples.Build($$$"""{"x":{"dtype":"F32","shape":[{{{Length / 4}}}],"data_offsets":[0,{{{Length}}}]}}""", 0));
        using (FileStream stream = File.OpenWrite(path))
        {
            // The file is sparse: it takes a few kilobytes on the disk.
            stream.SetLength(stream.Length + Length);
            stream.Seek(-4, SeekOrigin.End);
            stream.Write([0, 0, 128, 63]);
        }
        using SafetensorsFile file = SafetensorsFile.Open(path);
        TensorInfo x = file.Tensor("x");
        Assert.Throws<InvalidOperationException>(() => file.Bytes(x).Length);
        Assert.Equal([0, 0, 128, 63], file.Bytes(x, Length - 4, 4).ToArray());
        float[] last = new float[1];
        file.ReadSingles(x, (Length / 4) - 1, last);
        Assert.Equal(1f, last[0]);
    }

    [Fact]
    public void ConcurrentReadersSeeTheSameNumbers()
    {
        using SafetensorsFile file = Open(SafetensorsSamples.Small);
        TensorInfo a = file.Tensor("a");
        Parallel.For(0, 2000, _ =>
        {
            float[] numbers = new float[2];
            file.ReadSingles(a, 0, numbers);
            Assert.Equal([1f, 2f], numbers);
        });
    }

    [Fact]
    public void ReadersThatRaceWithDisposeGetAnAnswerOrAClearError()
    {
        for (int round = 0; round < 50; round++)
        {
            SafetensorsFile file = Open(SafetensorsSamples.Small);
            TensorInfo a = file.Tensor("a");
            Parallel.Invoke(file.Dispose, Read, Read);

            void Read()
            {
                float[] numbers = new float[2];
                for (int i = 0; i < 100; i++)
                {
                    try
                    {
                        file.ReadSingles(a, 0, numbers);
                        Assert.Equal([1f, 2f], numbers);
                    }
                    catch (ObjectDisposedException)
                    {
                        return;
                    }
                }
            }
        }
    }

    private SafetensorsFile Open(string header, int dataLength) => Open(SafetensorsSamples.Build(header, dataLength));

    private SafetensorsFile Open(byte[] content) => SafetensorsFile.Open(_folder.Write("file.safetensors", content));
}
