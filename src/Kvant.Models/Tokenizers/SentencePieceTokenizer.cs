using System.Text;

namespace Kvant.Models.Tokenizers;

/// <summary>
/// SentencePiece's byte-pair encoding: spaces are written as U+2581, the neighbors whose union has the highest score merge first, and
/// characters that the vocabulary lacks become the tokens of their bytes.
/// </summary>
internal sealed class SentencePieceTokenizer : Tokenizer
{
    private const char Space = '\u2581';
    private readonly int[] _bytes = new int[256];
    private readonly Dictionary<int, byte> _byteOf = [];

    internal SentencePieceTokenizer(Vocabulary vocabulary)
        : base(vocabulary, addsBegin: true)
    {
        if (!vocabulary.HasScores) vocabulary.Value("scores");
        AddsSpace = vocabulary.Flag("add_space_prefix", true);
        for (int value = 0; value < _bytes.Length; value++)
        {
            if (!vocabulary.TryFind($"<0x{value:X2}>", out int token)) token = vocabulary.Unknown!.Value;
            else _byteOf[token] = (byte)value;
            _bytes[value] = token;
        }
    }

    private protected override bool AddsSpace { get; }

    private protected override void EncodeText(ReadOnlySpan<char> text, bool atStart, List<int> tokens)
    {
        string escaped = (AddsSpace && atStart ? " " : "") + text.ToString();
        escaped = escaped.Replace(' ', Space);
        Merger merger = new(Vocabulary);
        int at = 0;
        foreach (Rune rune in escaped.EnumerateRunes())
        {
            int length = rune.Utf16SequenceLength;
            merger.Add(at, length, Vocabulary.TryFind(escaped.AsSpan(at, length), out int token) ? token : -1);
            at += length;
        }
        Span<byte> utf8 = stackalloc byte[4];
        foreach (Symbol symbol in merger.Merge(escaped))
        {
            if (symbol.Length == 0) continue;
            if (symbol.Token >= 0)
            {
                tokens.Add(symbol.Token);
                continue;
            }
            int count = Encoding.UTF8.GetBytes(escaped.AsSpan(symbol.Start, symbol.Length), utf8);
            foreach (byte value in utf8[..count]) tokens.Add(_bytes[value]);
        }
    }

    private protected override void AppendTextBytes(int token, List<byte> bytes)
    {
        if (Vocabulary.Kind(token) == TokenKind.Byte && _byteOf.TryGetValue(token, out byte value)) bytes.Add(value);
        else bytes.AddRange(Encoding.UTF8.GetBytes(Vocabulary.Text(token).Replace(Space, ' ')));
    }

    private sealed class Merger(Vocabulary vocabulary) : PairMerger
    {
        private protected override bool TryPair(ReadOnlySpan<char> text, Symbol left, Symbol right, out int token, out double rank)
        {
            bool found = vocabulary.TryFind(text.Slice(left.Start, left.Length + right.Length), out token);
            rank = found ? -vocabulary.Score(token) : 0;
            return found;
        }
    }
}
