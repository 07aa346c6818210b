using System.Globalization;
using System.Runtime.InteropServices;

namespace Kvant.OnnxRuntime.Graphs;

/// <summary>A tensor that a graph holds: TensorProto.</summary>
internal sealed class OnnxTensor
{
    public const int Float = 1, Int32 = 6, Int64 = 7, Bool = 9, Half = 10;

    /// <summary>Tensors up to this size stay in the model: the runtime wants to see shapes and axes before it opens another file.</summary>
    private const int LargestInside = 4096;

    private readonly ReadOnlyMemory<byte> _message;

    private OnnxTensor(ReadOnlyMemory<byte> message) => _message = message;

    public string Name { get; private set; } = "";

    public int ElementType { get; private set; }

    public IReadOnlyList<long> Dimensions { get; private set; } = [];

    /// <summary>The numbers, little-endian; null where they lie in typed fields or in another file.</summary>
    public ReadOnlyMemory<byte>? Raw { get; private set; }

    /// <summary>The file that holds the numbers; null where the message does.</summary>
    public string? OutsideFile { get; private set; }

    public static OnnxTensor Of(string name, ReadOnlySpan<long> numbers, params long[] dimensions) => Of(name, Int64, MemoryMarshal.AsBytes(numbers), dimensions);

    public static OnnxTensor Of(string name, ReadOnlySpan<float> numbers, params long[] dimensions) => Of(name, Float, MemoryMarshal.AsBytes(numbers), dimensions);

    public static OnnxTensor Of(string name, int elementType, ReadOnlySpan<byte> raw, params long[] dimensions) =>
        Read(Header(name, elementType, dimensions).Bytes(9, raw).Message);

    /// <summary>A tensor whose numbers lie in another file, in the folder of the model.</summary>
    public static OnnxTensor Outside(string name, int elementType, IReadOnlyList<long> dimensions, string file, long offset, long length)
    {
        WireWriter writer = Header(name, elementType, dimensions);
        Entry("location", file);
        Entry("offset", offset.ToString(CultureInfo.InvariantCulture));
        Entry("length", length.ToString(CultureInfo.InvariantCulture));
        return Read(writer.Number(14, 1).Message);

        void Entry(string key, string value) => writer.Nested(13, new WireWriter().Text(1, key).Text(2, value));
    }

    public static OnnxTensor Read(ReadOnlyMemory<byte> message)
    {
        OnnxTensor tensor = new(message);
        List<long> dimensions = [];
        for (WireReader reader = new(message); reader.Next();)
        {
            switch (reader.Field)
            {
                case 1:
                    reader.AddNumbers(dimensions);
                    break;
                case 2:
                    tensor.ElementType = (int)reader.Number;
                    break;
                case 8:
                    tensor.Name = reader.Text;
                    break;
                case 9:
                    tensor.Raw = reader.Content;
                    break;
                case 13:
                    tensor.OutsideFile = LocationOf(reader.Content) ?? tensor.OutsideFile;
                    break;
            }
        }

        tensor.Dimensions = dimensions;
        return tensor;
    }

    /// <summary>The message; a large tensor becomes one that lies in the file that the model was read from.</summary>
    /// <param name="source">The bytes of that file, of which the tensor is a part.</param>
    /// <param name="file">Its name; null to leave all tensors in the message.</param>
    public ReadOnlyMemory<byte> Message(ReadOnlyMemory<byte> source, string? file)
    {
        if (file is null || Raw is not { Length: > LargestInside } raw || !source.Span.Overlaps(raw.Span, out int offset))
            return _message;
        return Outside(Name, ElementType, Dimensions, file, offset, raw.Length)._message;
    }

    private static string? LocationOf(ReadOnlyMemory<byte> entry)
    {
        string key = "", value = "";
        for (WireReader reader = new(entry); reader.Next();)
            (key, value) = reader.Field == 1 ? (reader.Text, value) : (key, reader.Text);
        return key == "location" ? value : null;
    }

    private static WireWriter Header(string name, int elementType, IReadOnlyList<long> dimensions)
    {
        WireWriter writer = new();
        foreach (long dimension in dimensions)
            writer.Number(1, dimension);
        return writer.Number(2, elementType).Text(8, name);
    }
}
