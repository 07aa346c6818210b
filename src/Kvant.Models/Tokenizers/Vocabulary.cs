using System.Diagnostics.CodeAnalysis;
using Kvant.Models.Gguf;

namespace Kvant.Models.Tokenizers;

/// <summary>The tokens of a model with their texts, kinds and scores, and which of them begin and end a text.</summary>
internal sealed class Vocabulary
{
    private const string Prefix = "tokenizer.ggml.";
    private readonly bool _isPhi3;
    private readonly string[] _texts;
    private readonly int[]? _kinds;
    private readonly float[]? _scores;
    private readonly Dictionary<string, int> _byText;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _bySpan;

    /// <summary>Reads the vocabulary of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="sentencePiece">Whether tokens that the file does not name have SentencePiece's usual places: unknown, begin and end are 0, 1 and 2, as llama.cpp has it.</param>
    internal Vocabulary(GgufFile file, bool sentencePiece = false)
    {
        File = file;
        GgufValue tokens = Value("tokens");
        _texts = tokens.AsTexts();
        if (_texts.Length == 0) throw tokens.Refuse("at least one token", "no token");
        if (TryGet("scores") is { } scores) _scores = SameLength(scores, scores.AsSingles());
        if (TryGet("token_type") is { } kinds) _kinds = SameLength(kinds, kinds.AsIntegers());
        _byText = new Dictionary<string, int>(_texts.Length);
        for (int token = 0; token < _texts.Length; token++) _byText.TryAdd(_texts[token], token);
        _bySpan = _byText.GetAlternateLookup<ReadOnlySpan<char>>();
        Begin = Token("bos_token_id") ?? Usual(1);
        End = Token("eos_token_id") ?? Usual(2);
        Unknown = Token("unknown_token_id") ?? Usual(0);
        _kinds = KnownEnds.MakeControl(this, _kinds);
        Ends = KnownEnds.Of(this);
        _isPhi3 = sentencePiece && file.TryGetValue("general.architecture", out GgufValue? architecture) && architecture.AsText() == "phi3";

        int? Usual(int token) => sentencePiece && token < Count ? token : null;
    }

    internal GgufFile File { get; }

    internal int Count => _texts.Length;

    /// <summary>Whether white space behind a special token belongs to it. In the vocabularies of Phi-3 it does behind most; no file says so, and llama.cpp tells them by the model's name.</summary>
    internal bool EatsSpace(int token) => _isPhi3 && Text(token) is not ("<unk>" or "<s>" or "<|endoftext|>");

    internal int? Begin { get; }

    internal int? End { get; }

    /// <summary>The tokens behind which a model has finished: the end of the text, of a turn, of a message, or of what is filled in.</summary>
    internal IReadOnlySet<int> Ends { get; }

    internal int? Unknown { get; }

    [MemberNotNullWhen(true, nameof(_scores))]
    internal bool HasScores => _scores is not null;

    internal string Text(int token) => _texts[token];

    internal TokenKind Kind(int token) => _kinds is null ? TokenKind.Normal : (TokenKind)_kinds[token];

    internal float Score(int token) => _scores![token];

    internal bool TryFind(ReadOnlySpan<char> text, out int token) => _bySpan.TryGetValue(text, out token);

    internal GgufValue Value(string key) => File.Value(Prefix + key);

    internal GgufValue? TryGet(string key) => File.TryGetValue(Prefix + key, out GgufValue? value) ? value : null;

    internal bool Flag(string key, bool otherwise) => TryGet(key)?.AsBoolean() ?? otherwise;

    /// <summary>The token that the file has for a purpose; null if it names none.</summary>
    internal int? Token(string key)
    {
        if (TryGet(key) is not { } value) return null;
        int token = value.AsCount();
        return token < Count ? token : throw value.Refuse($"a token from 0 to {Count - 1}", $"{token}");
    }

    private T[] SameLength<T>(GgufValue value, T[] numbers) =>
        numbers.Length == Count ? numbers : throw value.Refuse($"one number for each of the {Count} tokens", $"{numbers.Length} numbers");
}
