using System.Numerics;
using Kvant.Formats;
using Kvant.Models.Formats;

namespace Kvant.Models.Gguf;

/// <summary>The parsed and checked header of a GGUF file. Values of the metadata stay in the file.</summary>
internal sealed class GgufHeader
{
    internal const uint Version = 3;
    internal const int DefaultAlignment = 32;
    internal const string AlignmentKey = "general.alignment";
    internal const int LongestKey = 65535;
    internal const int LongestName = 256;
    internal const int MostDimensions = 4;

    // Objects cost more than the bytes that they are read from: these caps bound what a hostile header can allocate.
    private const int MostEntries = 1 << 18;

    private readonly MappedFile _file;

    private GgufHeader(MappedFile file) => _file = file;

    internal static ReadOnlySpan<byte> Magic => "GGUF"u8;

    internal Dictionary<string, GgufValue> Metadata { get; } = [];

    internal Dictionary<string, GgufTensor> ByName { get; } = [];

    internal List<GgufTensor> Tensors { get; } = [];

    internal static GgufHeader Parse(MappedFile file)
    {
        GgufHeader header = new(file);
        GgufCursor cursor = new(file, 0);
        if (file.Length < Magic.Length || !cursor.Bytes(Magic.Length, "the magic").SequenceEqual(Magic))
            throw file.InvalidData(0, "the file is not GGUF: it does not begin with those letters");
        uint version = cursor.UInt32("the version");
        if (version != Version) throw file.InvalidData(Magic.Length, $"GGUF version {version} found, {Version} wanted");
        // The smallest tensor entry: length of the name, one letter, count of dimensions, one dimension, type, offset.
        long tensors = cursor.Count("the number of tensors", 33);
        long values = cursor.Count("the number of metadata entries", 13);
        if (Math.Max(tensors, values) > MostEntries) throw file.InvalidData(8, $"{tensors} tensors and {values} metadata entries found, at most {MostEntries} of each are allowed");
        for (long i = 0; i < values; i++) header.ParseValue(ref cursor);
        for (long i = 0; i < tensors; i++) header.ParseTensor(ref cursor);
        header.PlaceTensors(cursor.Position);
        return header;
    }

    private void ParseValue(ref GgufCursor cursor)
    {
        long start = cursor.Position;
        string key = cursor.Text("a metadata key", LongestKey);
        if (key.Length == 0) throw _file.InvalidData(start, "a metadata key is empty");
        GgufValueType type = Type(ref cursor, key);
        bool isArray = type == GgufValueType.Array;
        long count = 1;
        if (isArray)
        {
            type = Type(ref cursor, key);
            if (type == GgufValueType.Array) throw _file.InvalidData(cursor.Position - 4, $"'{key}' is an array of arrays, which no model has");
            count = cursor.Count($"the length of '{key}'", Math.Max(GgufCursor.Size(type), type == GgufValueType.Text ? 8 : 1));
            if (count > Array.MaxLength) throw _file.InvalidData(cursor.Position - 8, $"'{key}' has {count} values, at most {Array.MaxLength} are allowed");
        }
        long valueStart = cursor.Position;
        if (type != GgufValueType.Text) cursor.Skip(count * GgufCursor.Size(type), key);
        else for (long i = 0; i < count; i++) cursor.TextBytes(key);
        GgufValue value = new(_file, key, type, isArray, count, valueStart, cursor.Position - valueStart);
        if (!Metadata.TryAdd(key, value)) throw _file.InvalidData(start, $"the metadata '{key}' appears twice");
    }

    private GgufValueType Type(ref GgufCursor cursor, string key)
    {
        long start = cursor.Position;
        GgufValueType type = (GgufValueType)cursor.UInt32(key);
        return type <= GgufValueType.Float64 ? type : throw _file.InvalidData(start, $"'{key}' has the value type {(uint)type}, 0 to {(uint)GgufValueType.Float64} are known");
    }

    private void ParseTensor(ref GgufCursor cursor)
    {
        long start = cursor.Position;
        string name = cursor.Text("a tensor's name", LongestName);
        if (name.Length == 0) throw _file.InvalidData(start, "a tensor's name is empty");
        uint dimensions = cursor.UInt32($"the dimensions of '{name}'");
        if (dimensions is 0 or > MostDimensions) throw _file.InvalidData(start, $"the tensor '{name}' has {dimensions} dimensions, wanted are 1 to {MostDimensions}");
        long[] shape = new long[dimensions];
        // No number takes less than four bits, so that more than 16 per byte of the file are a lie.
        long most = Math.Min(_file.Length, long.MaxValue / 16) * 16, elements = 1;
        for (int i = 0; i < shape.Length; i++)
        {
            ulong dimension = cursor.UInt64($"the dimensions of '{name}'");
            if (dimension == 0 || dimension > (ulong)(most / elements))
                throw _file.InvalidData(cursor.Position - 8, $"the tensor '{name}' has a dimension of {dimension}, wanted are 1 to what the file can hold");
            shape[i] = (long)dimension;
            elements *= shape[i];
        }
        uint id = cursor.UInt32($"the type of '{name}'");
        TensorFormat format = TensorFormat.All.FirstOrDefault(f => f.Id == id)
            ?? throw _file.InvalidData(cursor.Position - 4, $"the tensor '{name}' has ggml's type {id}; known are {string.Join(", ", TensorFormat.All.Select(f => $"{f.Name} ({f.Id})"))}");
        if (shape[0] % format.BlockLength != 0)
            throw _file.InvalidData(start, $"the tensor '{name}' of {format.Name} has rows of {shape[0]} numbers, wanted is a multiple of {format.BlockLength}");
        ulong offset = cursor.UInt64($"the offset of '{name}'");
        if (offset > (ulong)_file.Length) throw _file.InvalidData(cursor.Position - 8, $"the tensor '{name}' begins at byte {offset} of the data, the file has {_file.Length} in all");
        GgufTensor tensor = new(name, format, shape, (long)offset, format.Bytes(elements));
        if (!ByName.TryAdd(name, tensor)) throw _file.InvalidData(start, $"the tensor '{name}' appears twice");
        Tensors.Add(tensor);
    }

    private void PlaceTensors(long headerEnd)
    {
        long alignment = Metadata.TryGetValue(AlignmentKey, out GgufValue? value) ? value.AsCount() : DefaultAlignment;
        if (!BitOperations.IsPow2(alignment)) throw value!.Refuse("a power of two", $"{alignment}");
        long dataStart = (headerEnd + alignment - 1) & -alignment;
        foreach (GgufTensor tensor in Tensors)
        {
            if (tensor.Offset % alignment != 0) throw _file.InvalidData(headerEnd, $"the tensor '{tensor.Name}' begins at byte {tensor.Offset} of the data, wanted is a multiple of {alignment}");
            tensor.Offset += dataStart;
        }
        Tensors.Sort(static (a, b) => a.Offset.CompareTo(b.Offset));
        long end = dataStart;
        foreach (GgufTensor tensor in Tensors)
        {
            if (tensor.Offset < end) throw _file.InvalidData(tensor.Offset, $"the tensor '{tensor.Name}' overlaps the one before it");
            end = tensor.Offset + tensor.ByteLength;
            if (end > _file.Length) throw _file.InvalidData(tensor.Offset, $"the tensor '{tensor.Name}' ends at byte {end}, the file at byte {_file.Length}; it is cut short or its header is wrong");
        }
    }
}
