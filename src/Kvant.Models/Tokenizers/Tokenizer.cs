using System.Text;
using Kvant.Models.Gguf;

namespace Kvant.Models.Tokenizers;

/// <summary>
/// Cuts text into the tokens of a model and puts tokens together again, as llama.cpp does with the same GGUF file.
/// Any number of threads may use one tokenizer.
/// </summary>
public abstract class Tokenizer
{
    private readonly SpecialTokens _userDefined;
    private readonly SpecialTokens _allSpecial;

    private protected Tokenizer(Vocabulary vocabulary, bool addsBegin)
    {
        Vocabulary = vocabulary;
        AddsBegin = vocabulary.Flag("add_bos_token", addsBegin) && vocabulary.Begin is not null;
        _userDefined = new SpecialTokens(vocabulary, static k => k is TokenKind.UserDefined);
        _allSpecial = new SpecialTokens(vocabulary, static k => k is TokenKind.UserDefined or TokenKind.Control or TokenKind.Unknown);
        foreach (string key in (ReadOnlySpan<string>)["add_eos_token", "add_sep_token"])
        {
            if (vocabulary.Flag(key, false)) throw vocabulary.Value(key).Refuse("no: a text that is to go on cannot end in a token for its end", "yes");
        }
        if (vocabulary.TryGet("suppress_tokens") is { Count: > 0 } suppressed) throw suppressed.Refuse("no token", $"{suppressed}");
    }

    /// <summary>How many tokens there are.</summary>
    public int Count => Vocabulary.Count;

    /// <summary>The token that begins a text, if the model has one.</summary>
    public int? Begin => Vocabulary.Begin;

    /// <summary>The token that ends a text, if the model has one.</summary>
    public int? End => Vocabulary.End;

    /// <summary>Whether <see cref="Encode"/> puts <see cref="Begin"/> in front.</summary>
    public bool AddsBegin { get; }

    private protected Vocabulary Vocabulary { get; }

    /// <summary>The tokenizer that a model was trained with.</summary>
    /// <param name="file">The model's file; it may be closed afterwards.</param>
    /// <exception cref="InvalidDataException">The file describes no tokenizer, a broken one, or one of an unknown kind.</exception>
    public static Tokenizer Read(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        GgufValue model = file.Value("tokenizer.ggml.model");
        return model.AsText() switch
        {
            "llama" => new SentencePieceTokenizer(new Vocabulary(file, sentencePiece: true)),
            "gpt2" => new BytePairTokenizer(new Vocabulary(file)),
            string other => throw model.Refuse("'llama' or 'gpt2'", $"'{other}'"),
        };
    }

    /// <summary>Whether a model that says this token has finished: the end of the text or of its turn.</summary>
    public bool IsEnd(int token) => Vocabulary.Ends.Contains(token);

    /// <summary>The token with exactly that text in the vocabulary, such as <c>&lt;|im_start|&gt;</c>; null if there is none.</summary>
    public int? Find(string text) => Vocabulary.TryFind(text, out int token) ? token : null;

    /// <summary>Cuts a text into tokens.</summary>
    /// <param name="text">Any text; halves of surrogate pairs become U+FFFD.</param>
    /// <param name="addBegin">Whether to put <see cref="Begin"/> in front if the model wants it.</param>
    /// <param name="parseSpecial">Whether control tokens written in the text become those tokens; not for text of strangers.</param>
    public int[] Encode(string text, bool addBegin = true, bool parseSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.AsSpan().ContainsAnyInRange('\ud800', '\udfff')) text = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
        List<int> tokens = [];
        if (addBegin && AddsBegin) tokens.Add(Begin!.Value);
        SpecialTokens specials = parseSpecial ? _allSpecial : _userDefined;
        // Text at the start and behind a special token counts as the start of a word.
        bool atStart = true;
        ReadOnlySpan<char> left = text;
        while (!left.IsEmpty)
        {
            bool found = specials.TryFind(left, out int start, out int length, out int token);
            if (start > 0) EncodeText(left[..start], atStart, tokens);
            atStart = found;
            if (found) tokens.Add(token);
            left = left[(start + length)..];
            if (found) left = left[SpaceBehind(token, left)..];
        }
        return [.. tokens];
    }

    /// <summary>Puts tokens together to the text that they came from; bytes that are no valid UTF-8 become U+FFFD.</summary>
    /// <param name="tokens">Tokens of this tokenizer.</param>
    /// <param name="showSpecial">Whether control tokens appear as their names; else they are left out.</param>
    /// <exception cref="ArgumentOutOfRangeException">A token is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> tokens, bool showSpecial = false)
    {
        List<byte> bytes = [];
        foreach (int token in tokens) AppendBytes(token, showSpecial, bytes);
        int skip = AddsSpace && bytes.Count > 0 && bytes[0] == ' ' ? 1 : 0;
        return Encoding.UTF8.GetString([.. bytes[skip..]]);
    }

    /// <summary>Begins to put tokens together one by one, as a model says them.</summary>
    public TokenAssembler CreateAssembler(bool showSpecial = false) => new(this, showSpecial);

    /// <summary>The first special token that is written in a text.</summary>
    internal bool TryFindSpecial(ReadOnlySpan<char> text, out int start, out int length, out int token) => _allSpecial.TryFind(text, out start, out length, out token);

    /// <summary>How many characters of white space behind a special token belong to it and are no text.</summary>
    internal int SpaceBehind(int token, ReadOnlySpan<char> text) => Vocabulary.EatsSpace(token) ? text.Length - text.TrimStart(" \t\n\v\f\r").Length : 0;

    /// <summary>A token's text in the vocabulary.</summary>
    internal string TextOf(int token) => Vocabulary.Text(token);

    /// <summary>Adds the bytes of one token.</summary>
    internal void AppendBytes(int token, bool showSpecial, List<byte> bytes)
    {
        if ((uint)token >= (uint)Count) throw new ArgumentOutOfRangeException(nameof(token), token, $"the tokens are 0 to {Count - 1}");
        switch (Vocabulary.Kind(token))
        {
            case TokenKind.Control or TokenKind.Unknown when !showSpecial:
                break;
            case TokenKind.Control or TokenKind.Unknown or TokenKind.UserDefined:
                bytes.AddRange(Encoding.UTF8.GetBytes(Vocabulary.Text(token)));
                break;
            default:
                AppendTextBytes(token, bytes);
                break;
        }
    }

    /// <summary>Whether encoding puts a space before the first word, which decoding takes away again.</summary>
    private protected virtual bool AddsSpace => false;

    private protected abstract void EncodeText(ReadOnlySpan<char> text, bool atStart, List<int> tokens);

    private protected abstract void AppendTextBytes(int token, List<byte> bytes);
}
