using System.Buffers.Binary;
using System.Text;
using Kvant.Formats;

namespace Kvant.Tests.Formats;

public sealed class NpyFileTests : IDisposable
{
    private const string Plain = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";

    private static readonly byte[] s_data = [0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void EveryVersionIsRead(int version)
    {
        using NpyFile file = Open(Build(Plain, s_data, version));
        Assert.Equal((2, 2, ElementType.F32), (file.Rows, file.Columns, file.ElementType));
        float[] rows = new float[4];
        file.ReadRows(0, rows);
        Assert.Equal([1f, 2f, 3f, 4f], rows);
        file.ReadRows(1, rows.AsSpan(0, 2));
        Assert.Equal([3f, 4f], rows[..2]);
        file.ReadRows(2, []);
    }

    [Theory]
    [InlineData("{\"shape\":(2,2),\"descr\":\"<f4\",\"fortran_order\":False}")]
    [InlineData("{  'fortran_order' : False , 'descr' : '<f4' , 'shape' : ( 2 , 2 , ) , }")]
    public void SpacesQuotesAndOrderOfKeysDoNotMatter(string header)
    {
        using NpyFile file = Open(Build(header, s_data));
        Assert.Equal(2, file.Rows);
    }

    [Fact]
    public void HalfPrecisionAndBytesAreConverted()
    {
        float[] row = new float[2];
        using NpyFile halves = Open(Build("{'descr': '<f2', 'fortran_order': False, 'shape': (1, 2), }", [0, 0x3c, 0, 0xc0]));
        halves.ReadRows(0, row);
        Assert.Equal([1f, -2f], row);
        using NpyFile bytes = Open(Build("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }", [7, 255]));
        bytes.ReadRows(0, row);
        Assert.Equal([7f, 255f], row);
    }

    [Fact]
    public void OneDimensionIsOneRow()
    {
        using NpyFile file = Open(Build("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", s_data));
        Assert.Equal((1, 4), (file.Rows, file.Columns));
    }

    [Theory]
    [InlineData("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2), }", "element type is '>f4'; supported are <f4, <f2 and |u1")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }", "element type is '<f8'")]
    [InlineData("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", "Fortran order")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "0 dimensions")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 2), }", "3 dimensions")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 0), }", "a row has 0 numbers")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2147483648), }", "a row has 2147483648 numbers")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "need 24 bytes, the file has 16")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }", "need 12 bytes, the file has 16")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905, 4), }", "the file has 16")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808, 4), }", "does not fit 63 bits")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }", "whole number")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (4), }", "with a comma")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2 2), }", "with a comma")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 1 1), }", "')' is wanted")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': [2, 2], }", "'(' is wanted")]
    [InlineData("{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 2), }", "True or False")]
    [InlineData("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", "repeated key 'descr'")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'x': 1}", "unknown or repeated key 'x'")]
    [InlineData("{'descr': '<f4', 'shape': (2, 2), }", "lacks descr, fortran_order or shape")]
    [InlineData("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2), }", "is wanted")]
    [InlineData("{'descr': '<f4", "does not end")]
    [InlineData("{'de\\x73cr': '<f4'}", "not plain text")]
    [InlineData("{'descr': '<f4' 'fortran_order': False}", "'}' is wanted")]
    [InlineData("", "'{' is wanted")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), } x", "end with spaces and a line feed")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1), }", "more than 32 dimensions")]
    public void BadHeaderIsRefusedWithReason(string header, string reason)
    {
        InvalidDataException e = Assert.Throws<InvalidDataException>(() => Open(Build(header, s_data)));
        Assert.Contains(reason, e.Message);
        Assert.Contains("at byte", e.Message);
    }

    [Fact]
    public void BadFrameIsRefused()
    {
        byte[] valid = Build(Plain, s_data);
        Refused("not npy", b => b[0] = 0x92);
        Refused("npy version 4.0", b => b[6] = 4);
        Refused("npy version 1.1", b => b[7] = 1);
        Refused("the header claims 65535 bytes", b => b[8] = b[9] = 255);
        Refused("line feed", b => b[8]++);
        Refused("line feed", b => b[8]--);

        byte[] second = Build(Plain, s_data, 2);
        second[8] = second[9] = second[10] = second[11] = 255;
        Assert.Contains("4294967295", Assert.Throws<InvalidDataException>(() => Open(second)).Message);

        void Refused(string reason, Action<byte[]> damage)
        {
            byte[] damaged = [.. valid];
            damage(damaged);
            Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => Open(damaged)).Message);
        }
    }

    [Fact]
    public void WrittenFileHasTheBytesThatNumpyWrites()
    {
        string path = _folder.File("out.npy");
        NpyFile.Write(path, 2, 2, [1f, 2f, 3f, 4f]);
        byte[] written = File.ReadAllBytes(path);
        Assert.Equal(128 + 16, written.Length);
        Assert.Equal((Plain + new string(' ', 128 - 10 - Plain.Length - 1) + "\n"), Encoding.ASCII.GetString(written, 10, 118));
        Assert.Equal([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0, 118, 0], written[..10]);
        Assert.Equal(s_data, written[128..]);
        Assert.Equal(["out.npy"], _folder.Files);
    }

    [Fact]
    public void RandomArraysRoundTrip()
    {
        const int Seed = 31;
        Random random = new(Seed);
        string path = _folder.File("out.npy");
        for (int round = 0; round < 50; round++)
        {
            int rows = random.Next(0, 40), columns = random.Next(1, 40);
            float[] values = [.. Enumerable.Range(0, rows * columns).Select(_ => random.NextSingle() - 0.5f)];
            NpyFile.Write(path, rows, columns, values);
            using NpyFile file = NpyFile.Open(path);
            float[] read = new float[values.Length];
            file.ReadRows(0, read);
            Assert.True(file.Rows == rows && file.Columns == columns && read.AsSpan().SequenceEqual(values), $"seed {Seed}, round {round}");
        }
    }

    [Fact]
    public void WrongArgumentsAreRefused()
    {
        string path = _folder.File("out.npy");
        Assert.Throws<ArgumentException>(() => NpyFile.Write(path, 2, 2, new float[3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => NpyFile.Write(path, -1, 2, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => NpyFile.Write(path, 0, 0, []));
        Assert.Empty(_folder.Files);
        NpyFile file = Open(Build(Plain, s_data));
        Assert.Throws<ArgumentException>(() => file.ReadRows(0, new float[3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadRows(1, new float[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadRows(-1, new float[2]));
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.ReadRows(0, new float[2]));
    }

    [Fact]
    public void ConcurrentReadersSeeTheSameNumbers()
    {
        using NpyFile file = Open(Build(Plain, s_data));
        Parallel.For(0, 1000, _ =>
        {
            float[] rows = new float[4];
            file.ReadRows(0, rows);
            Assert.Equal([1f, 2f, 3f, 4f], rows);
        });
    }

    [Fact]
    public void EveryFlippedByteIsSurvived()
    {
        Hostile().FlipEveryByte(Build(Plain, s_data));
        Hostile().FlipEveryByte(Build(Plain, s_data, 2));
    }

    [Fact]
    public void EveryTruncationIsRefused() => Assert.Equal(0, Hostile().TruncateToEveryLength(Build(Plain, s_data)));

    [Fact]
    public void MutantsAreSurvived() => Hostile().Mutate(Build(Plain, s_data), seed: 20260102, count: 3000);

    private static HostileBytes Hostile() => new(static path =>
    {
        using NpyFile file = NpyFile.Open(path);
        Span<float> one = stackalloc float[64];
        if (file.Rows > 0 && file.Columns <= one.Length) file.ReadRows(file.Rows - 1, one[..file.Columns]);
    });

    private static byte[] Build(string header, byte[] data, int version = 1)
    {
        byte[] text = Encoding.ASCII.GetBytes(header + " \n");
        byte[] length = new byte[version == 1 ? 2 : 4];
        if (version == 1) BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)text.Length);
        else BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
        return [0x93, .. "NUMPY"u8, (byte)version, 0, .. length, .. text, .. data];
    }

    private NpyFile Open(byte[] content) => NpyFile.Open(_folder.Write("file.npy", content));
}
