using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Kvant.Formats;

/// <summary>The header of an npy file: magic, version, length, and a Python dictionary written as text.</summary>
internal sealed class NpyHeader
{
    private const int LongestDictionary = 1 << 16;
    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    private NpyHeader(ElementType type, long rows, int columns, int dataStart)
    {
        ElementType = type;
        Rows = rows;
        Columns = columns;
        DataStart = dataStart;
    }

    internal ElementType ElementType { get; }

    internal long Rows { get; }

    internal int Columns { get; }

    internal int DataStart { get; }

    internal static NpyHeader Parse(MappedFile file)
    {
        ReadOnlySpan<byte> start = file.Bytes(0, (int)Math.Min(file.Length, 12));
        if (start.Length < 10 || !start.StartsWith(Magic)) throw file.InvalidData(0, "the file is not npy: it does not begin with \\x93NUMPY");
        int version = start[6];
        if (version is < 1 or > 3 || start[7] != 0) throw file.InvalidData(6, $"npy version {version}.{start[7]} found, 1.0, 2.0 or 3.0 wanted");
        if (version > 1 && start.Length < 12) throw file.InvalidData(8, "the file ends inside the header's length");
        uint length = version == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(start[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(start[8..]);
        int textStart = version == 1 ? 10 : 12;
        if (length > LongestDictionary || length > file.Length - textStart)
            throw file.InvalidData(8, $"the header claims {length} bytes, the file has {file.Length - textStart} left and {LongestDictionary} are allowed");
        ReadOnlySpan<byte> text = file.Bytes(textStart, (int)length);
        PythonDictionary dictionary = PythonDictionary.Parse(file, textStart, text);
        return Check(file, dictionary, textStart + (int)length);
    }

    /// <summary>A version 1 header for single-precision rows, padded so that the data begin at a multiple of 64.</summary>
    internal static byte[] Format(int rows, int columns)
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
        int length = (10 + text.Length + 1 + 63) / 64 * 64;
        byte[] header = new byte[length];
        header.AsSpan().Fill((byte)' ');
        Magic.CopyTo(header);
        header[6] = 1;
        header[7] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(8), (ushort)(length - 10));
        Encoding.ASCII.GetBytes(text, header.AsSpan(10));
        header[^1] = (byte)'\n';
        return header;
    }

    private static NpyHeader Check(MappedFile file, PythonDictionary dictionary, int dataStart)
    {
        ElementType type = dictionary.Description switch
        {
            "<f4" => ElementType.F32,
            "<f2" => ElementType.F16,
            "|u1" => ElementType.U8,
            _ => throw file.InvalidData(0, $"the element type is '{dictionary.Description}'; supported are <f4, <f2 and |u1"),
        };
        if (dictionary.FortranOrder) throw file.InvalidData(0, "the array is in Fortran order; save it with numpy.ascontiguousarray");
        ReadOnlySpan<long> shape = dictionary.Shape;
        if (shape.Length is not (1 or 2)) throw file.InvalidData(0, $"the array has {shape.Length} dimensions; 1 or 2 are wanted");
        long rows = shape.Length == 2 ? shape[0] : 1;
        long columns = shape[^1];
        if (columns is 0 or > int.MaxValue) throw file.InvalidData(0, $"a row has {columns} numbers; 1 to {int.MaxValue} are wanted");
        Int128 wanted = (Int128)rows * columns * type.Size();
        long found = file.Length - dataStart;
        if (wanted != found) throw file.InvalidData(dataStart, $"{rows} x {columns} numbers of {type.Name()} need {wanted} bytes, the file has {found}");
        return new NpyHeader(type, rows, (int)columns, dataStart);
    }
}
