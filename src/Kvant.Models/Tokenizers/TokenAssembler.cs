using System.Runtime.InteropServices;
using System.Text;

namespace Kvant.Models.Tokenizers;

/// <summary>
/// Turns tokens into text as they come. A character whose bytes are spread over tokens appears when it is complete.
/// One thread at a time.
/// </summary>
public sealed class TokenAssembler
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _showSpecial;
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly List<byte> _bytes = [];

    internal TokenAssembler(Tokenizer tokenizer, bool showSpecial)
    {
        _tokenizer = tokenizer;
        _showSpecial = showSpecial;
    }

    /// <summary>The text that this token completes; may be empty.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The token is not in the vocabulary.</exception>
    public string Append(int token)
    {
        _bytes.Clear();
        _tokenizer.AppendBytes(token, _showSpecial, _bytes);
        return Decode(flush: false);
    }

    /// <summary>What is left at the end: U+FFFD if a character was cut short, else nothing.</summary>
    public string Finish()
    {
        _bytes.Clear();
        return Decode(flush: true);
    }

    private string Decode(bool flush)
    {
        ReadOnlySpan<byte> bytes = CollectionsMarshal.AsSpan(_bytes);
        char[] characters = new char[_decoder.GetCharCount(bytes, flush)];
        _decoder.GetChars(bytes, characters, flush);
        return new string(characters);
    }
}
