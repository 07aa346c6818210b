using System.Text;

namespace Kvant.Formats;

/// <summary>
/// The one Python literal that an npy header may hold: a dictionary of exactly <c>descr</c> (a string),
/// <c>fortran_order</c> (True or False) and <c>shape</c> (a tuple of whole numbers), in any order.
/// </summary>
internal readonly ref struct PythonDictionary
{
    private const int LongestString = 64;
    private const int MostDimensions = 32;

    private PythonDictionary(string description, bool fortranOrder, long[] shape)
    {
        Description = description;
        FortranOrder = fortranOrder;
        Shape = shape;
    }

    internal string Description { get; }

    internal bool FortranOrder { get; }

    internal ReadOnlySpan<long> Shape { get; }

    internal static PythonDictionary Parse(MappedFile file, int start, ReadOnlySpan<byte> text) => new Parser(file, start, text).Parse();

    private ref struct Parser(MappedFile file, int start, ReadOnlySpan<byte> text)
    {
        private readonly ReadOnlySpan<byte> _text = text;
        private int _position;

        internal PythonDictionary Parse()
        {
            string? description = null;
            bool? fortranOrder = null;
            long[]? shape = null;
            Require('{');
            while (!Accept('}'))
            {
                string key = ParseString();
                Require(':');
                switch (key)
                {
                    case "descr" when description is null:
                        description = ParseString();
                        break;
                    case "fortran_order" when fortranOrder is null:
                        fortranOrder = ParseBoolean();
                        break;
                    case "shape" when shape is null:
                        shape = ParseTuple();
                        break;
                    default:
                        throw Refuse($"the header has the unknown or repeated key '{key}'");
                }
                if (Accept(',')) continue;
                Require('}');
                break;
            }
            if (description is null || fortranOrder is null || shape is null) throw Refuse("the header lacks descr, fortran_order or shape");
            if (_text.Length == 0 || _text[^1] != '\n' || _text[_position..^1].ContainsAnyExcept((byte)' ')) throw Refuse("the header must end with spaces and a line feed");
            return new PythonDictionary(description, fortranOrder.Value, shape);
        }

        private string ParseString()
        {
            SkipSpaces();
            char quote = Accept('"') ? '"' : '\'';
            if (quote == '\'') Require('\'');
            int length = _text[_position..].IndexOf((byte)quote);
            if (length is < 0 or > LongestString) throw Refuse("a string in the header does not end");
            ReadOnlySpan<byte> content = _text.Slice(_position, length);
            if (content.ContainsAnyExceptInRange((byte)' ', (byte)'~') || content.Contains((byte)'\\')) throw Refuse("a string in the header is not plain text");
            _position += length + 1;
            return Encoding.ASCII.GetString(content);
        }

        private bool ParseBoolean()
        {
            SkipSpaces();
            if (AcceptWord("False"u8)) return false;
            if (AcceptWord("True"u8)) return true;
            throw Refuse("fortran_order must be True or False");
        }

        private long[] ParseTuple()
        {
            List<long> numbers = [];
            Require('(');
            while (!Accept(')'))
            {
                if (numbers.Count == MostDimensions) throw Refuse($"more than {MostDimensions} dimensions");
                numbers.Add(ParseNumber());
                if (Accept(',')) continue;
                if (numbers.Count == 1) throw Refuse("a shape of one dimension is written with a comma");
                Require(')');
                break;
            }
            return [.. numbers];
        }

        private long ParseNumber()
        {
            SkipSpaces();
            int begin = _position;
            long number = 0;
            while (_position < _text.Length && _text[_position] is >= (byte)'0' and <= (byte)'9')
            {
                int digit = _text[_position++] - '0';
                if (number > (long.MaxValue - digit) / 10) throw Refuse("a dimension does not fit 63 bits");
                number = (number * 10) + digit;
            }
            return _position > begin ? number : throw Refuse("a dimension must be a whole number");
        }

        private bool AcceptWord(ReadOnlySpan<byte> word)
        {
            if (!_text[_position..].StartsWith(word)) return false;
            _position += word.Length;
            return true;
        }

        private bool Accept(char wanted)
        {
            SkipSpaces();
            if (_position == _text.Length || _text[_position] != wanted) return false;
            _position++;
            return true;
        }

        private void Require(char wanted)
        {
            if (!Accept(wanted)) throw Refuse($"'{wanted}' is wanted in the header");
        }

        private void SkipSpaces()
        {
            while (_position < _text.Length && _text[_position] == ' ') _position++;
        }

        private readonly InvalidDataException Refuse(string message) => file.InvalidData(start + _position, message);
    }
}
