using System.Runtime.InteropServices;
using System.Text;
using Kvant.Models.Gguf;

namespace Kvant.Models.Tokenizers;

/// <summary>
/// GPT-2's byte-level byte-pair encoding: a pattern cuts the text into words, the bytes of a word are its first symbols, and pairs merge
/// in the order of the model's list.
/// </summary>
internal sealed class BytePairTokenizer : Tokenizer
{
    private readonly PreTokenizer _words;
    private readonly int[] _bytes = new int[256];
    private readonly Dictionary<(int Left, int Right), (int Rank, int Token)> _merges;

    private WordCache? _known; // of the last call, for the next

    internal BytePairTokenizer(Vocabulary vocabulary)
        : this(vocabulary, vocabulary.TryGet("pre") is { } pre ? PreTokenizer.Find(pre.AsText()) ?? throw pre.Refuse(PreTokenizer.Known, $"'{pre.AsText()}'") : PreTokenizer.Default)
    {
    }

    internal BytePairTokenizer(Vocabulary vocabulary, PreTokenizer words)
        : base(vocabulary, words.AddsBegin)
    {
        _words = words;
        for (int value = 0; value < _bytes.Length; value++)
            _bytes[value] = vocabulary.TryFind([ByteAlphabet.Character((byte)value)], out int token) ? token : -1;
        _merges = ReadMerges(vocabulary);
    }

    private protected override void EncodeText(ReadOnlySpan<char> text, bool atStart, List<int> tokens)
    {
        Merger merger = new(_merges);
        byte[] utf8 = [];
        char[] visible = [];
        WordCache known = Interlocked.Exchange(ref _known, null) ?? new WordCache();
        foreach (Range word in _words.Split(text))
        {
            ReadOnlySpan<char> characters = text[word];
            if (known.TryAppend(characters, tokens)) continue;
            int before = tokens.Count;
            int most = Encoding.UTF8.GetMaxByteCount(characters.Length);
            if (utf8.Length < most) (utf8, visible) = (new byte[most], new char[most]);
            int count = Encoding.UTF8.GetBytes(characters, utf8);
            for (int i = 0; i < count; i++) visible[i] = ByteAlphabet.Character(utf8[i]);
            if (_words.PrefersWholeWords && Vocabulary.TryFind(visible.AsSpan(0, count), out int whole))
            {
                tokens.Add(whole);
                known.Keep(characters, [whole]);
                continue;
            }
            merger.Clear();
            for (int i = 0; i < count; i++) merger.Add(i, 1, _bytes[utf8[i]]);
            foreach (Symbol symbol in merger.Merge(visible))
            {
                // A byte that the vocabulary lacks cannot be said; llama.cpp leaves it out too.
                if (symbol.Length > 0 && symbol.Token >= 0) tokens.Add(symbol.Token);
            }
            known.Keep(characters, CollectionsMarshal.AsSpan(tokens)[before..]);
        }
        _known = known;
    }

    private protected override void AppendTextBytes(int token, List<byte> bytes)
    {
        foreach (char character in Vocabulary.Text(token))
        {
            if (ByteAlphabet.TryByte(character, out byte value)) bytes.Add(value);
            else bytes.AddRange(Encoding.UTF8.GetBytes([character]));
        }
    }

    private static Dictionary<(int Left, int Right), (int Rank, int Token)> ReadMerges(Vocabulary vocabulary)
    {
        GgufValue value = vocabulary.Value("merges");
        string[] merges = value.AsTexts();
        Dictionary<(int Left, int Right), (int Rank, int Token)> ranks = new(merges.Length);
        for (int rank = 0; rank < merges.Length; rank++)
        {
            string merge = merges[rank];
            int space = merge.IndexOf(' ', Math.Min(1, merge.Length));
            if (space < 0) throw value.Refuse("pairs with a space between", $"'{merge}'");
            ReadOnlySpan<char> left = merge.AsSpan(0, space), right = merge.AsSpan(space + 1);
            // Without tokens for both parts the pair can never meet; without one for the union it must not.
            if (vocabulary.TryFind(left, out int first) && vocabulary.TryFind(right, out int second) && vocabulary.TryFind(string.Concat(left, right), out int union))
                ranks.TryAdd((first, second), (rank, union));
        }
        return ranks;
    }

    private sealed class Merger(Dictionary<(int Left, int Right), (int Rank, int Token)> merges) : PairMerger
    {
        private protected override bool TryPair(ReadOnlySpan<char> text, Symbol left, Symbol right, out int token, out double rank)
        {
            bool found = merges.TryGetValue((left.Token, right.Token), out (int Rank, int Token) merge);
            (rank, token) = merge;
            return found;
        }
    }
}
