using System.Text.Json;

namespace Kvant.Formats;

/// <summary>The parsed and checked JSON header of a safetensors file.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The header follows 8 bytes that hold its length.</summary>
    internal const int Start = 8;
    internal const int LongestHeader = 100_000_000;
    internal const int LongestName = 1024;
    internal const int MostDimensions = 16;
    // Dictionaries cost more than the text they are read from: these caps bound what a hostile header can allocate.
    internal const int MostTensors = 1 << 20;
    internal const int MostMetadata = 1 << 18;
    internal const string MetadataName = "__metadata__";

    private SafetensorsHeader()
    {
    }

    internal Dictionary<string, string> Metadata { get; } = [];

    internal Dictionary<string, TensorInfo> ByName { get; } = [];

    internal List<TensorInfo> Tensors { get; } = [];

    internal static SafetensorsHeader Parse(MappedFile file, int length)
    {
        SafetensorsHeader header = new();
        new Parser(file, length, header).Parse();
        header.CheckLayout(file, Start + length);
        return header;
    }

    private void CheckLayout(MappedFile file, long dataStart)
    {
        // Empty tensors sort before the one that begins at the same byte.
        Tensors.Sort(static (a, b) => a.Offset != b.Offset ? a.Offset.CompareTo(b.Offset) : a.ByteLength.CompareTo(b.ByteLength));
        long end = dataStart;
        foreach (TensorInfo tensor in Tensors)
        {
            if (tensor.Offset > end) throw file.InvalidData(end, $"{tensor.Offset - end} bytes before the tensor '{tensor.Name}' belong to no tensor");
            if (tensor.Offset < end) throw file.InvalidData(tensor.Offset, $"the tensor '{tensor.Name}' overlaps the one before it");
            end = tensor.Offset + tensor.ByteLength;
        }
        if (end != file.Length) throw file.InvalidData(end, $"the tensors end at byte {end}, the file at byte {file.Length}");
    }

    private ref struct Parser
    {
        private readonly MappedFile _file;
        private readonly SafetensorsHeader _header;
        private readonly ReadOnlySpan<byte> _bytes;
        private Utf8JsonReader _json;

        internal Parser(MappedFile file, int length, SafetensorsHeader header)
        {
            _file = file;
            _header = header;
            _bytes = file.Bytes(Start, length);
            _json = new Utf8JsonReader(_bytes, new JsonReaderOptions { MaxDepth = 3 });
        }

        internal void Parse()
        {
            if (_bytes.IsEmpty || _bytes[0] != '{') throw _file.InvalidData(Start, "the header must begin with '{'");
            if (_bytes.TrimEnd((byte)' ')[^1] != '}') throw _file.InvalidData(Start + _bytes.Length - 1, "the header must end with '}' and spaces");
            try
            {
                _json.Read();
                ParseMembers();
                if (_json.Read()) throw Refuse("text after the header");
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                throw _file.InvalidData(Start + _json.BytesConsumed, "the header is not valid JSON", e);
            }
        }

        private void ParseMembers()
        {
            bool sawMetadata = false;
            while (NextMember() is string name)
            {
                if (name == MetadataName)
                {
                    if (sawMetadata) throw Refuse($"'{MetadataName}' appears twice");
                    sawMetadata = true;
                    ParseMetadata();
                }
                else
                {
                    if (_header.ByName.ContainsKey(name)) throw Refuse($"the tensor '{name}' appears twice");
                    if (_header.Tensors.Count == MostTensors) throw Refuse($"more than {MostTensors} tensors");
                    TensorInfo tensor = ParseTensor(name);
                    _header.ByName.Add(name, tensor);
                    _header.Tensors.Add(tensor);
                }
            }
        }

        private void ParseMetadata()
        {
            Expect(JsonTokenType.StartObject, MetadataName);
            while (NextMember() is string key)
            {
                Expect(JsonTokenType.String, key);
                if (_header.Metadata.Count == MostMetadata) throw Refuse($"more than {MostMetadata} entries in '{MetadataName}'");
                if (!_header.Metadata.TryAdd(key, _json.GetString()!)) throw Refuse($"the metadata '{key}' appears twice");
            }
        }

        private TensorInfo ParseTensor(string name)
        {
            Expect(JsonTokenType.StartObject, name);
            ElementType? type = null;
            long[]? shape = null;
            long[]? range = null;
            while (NextMember() is string field)
            {
                switch (field)
                {
                    case "dtype" when type is null:
                        type = ParseElementType(name);
                        break;
                    case "shape" when shape is null:
                        shape = ParseNumbers(name);
                        break;
                    case "data_offsets" when range is null:
                        range = ParseNumbers(name);
                        break;
                    default:
                        throw Refuse($"the tensor '{name}' has an unknown or repeated field '{field}'");
                }
            }
            if (type is null || shape is null || range is null) throw Refuse($"the tensor '{name}' lacks dtype, shape or data_offsets");
            return CheckedTensor(name, type.Value, shape, range);
        }

        private readonly TensorInfo CheckedTensor(string name, ElementType type, long[] shape, long[] range)
        {
            long dataStart = Start + _bytes.Length;
            long dataLength = _file.Length - dataStart;
            if (range.Length == 2 && range[0] <= range[1] && range[1] > dataLength)
                throw Refuse($"the tensor '{name}' ends at byte {range[1]} of the data, the file has {dataLength}; it is cut short or its header is wrong");
            if (range.Length != 2 || range[0] > range[1])
                throw Refuse($"the tensor '{name}' has data_offsets [{string.Join(", ", range)}], wanted are two rising numbers");
            long elements = 1;
            try
            {
                foreach (long dimension in shape) elements = checked(elements * dimension);
                if (checked(elements * type.Size()) != range[1] - range[0])
                    throw Refuse($"the tensor '{name}' of {type.Name()} [{string.Join(", ", shape)}] needs {elements * type.Size()} bytes, data_offsets give {range[1] - range[0]}");
            }
            catch (OverflowException)
            {
                throw Refuse($"the tensor '{name}' has the shape [{string.Join(", ", shape)}], whose product is too large");
            }
            return new TensorInfo(name, type, shape, elements, dataStart + range[0]);
        }

        private ElementType ParseElementType(string name)
        {
            Expect(JsonTokenType.String, name);
            string text = ShortString();
            return ElementTypes.TryParse(text, out ElementType type) ? type
                : throw Refuse($"the tensor '{name}' has the element type '{text}'; supported are {ElementTypes.Known}");
        }

        private long[] ParseNumbers(string name)
        {
            Expect(JsonTokenType.StartArray, name);
            Span<long> numbers = stackalloc long[MostDimensions];
            int count = 0;
            while (_json.Read() && _json.TokenType != JsonTokenType.EndArray)
            {
                if (count == MostDimensions) throw Refuse($"the tensor '{name}' has more than {MostDimensions} dimensions");
                if (_json.TokenType != JsonTokenType.Number || !_json.TryGetInt64(out long number) || number < 0)
                    throw Refuse($"the tensor '{name}' has a dimension or offset that is no whole number from 0 to 2^63 - 1");
                numbers[count++] = number;
            }
            return numbers[..count].ToArray();
        }

        private string? NextMember()
        {
            _json.Read();
            return _json.TokenType == JsonTokenType.EndObject ? null : ShortString();
        }

        private readonly string ShortString()
        {
            int length = _json.ValueSpan.Length;
            if (length is 0 or > LongestName) throw Refuse($"a name has {length} bytes, wanted are 1 to {LongestName}");
            return _json.GetString()!;
        }

        private void Expect(JsonTokenType wanted, string where)
        {
            _json.Read();
            if (_json.TokenType != wanted) throw Refuse($"'{where}' holds {_json.TokenType} where {wanted} is wanted");
        }

        private readonly InvalidDataException Refuse(string message) => _file.InvalidData(Start + _json.TokenStartIndex, message);
    }
}
