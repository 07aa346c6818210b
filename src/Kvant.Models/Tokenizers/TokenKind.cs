namespace Kvant.Models.Tokenizers;

/// <summary>What a token of the vocabulary is for; the numbers are those of <c>tokenizer.ggml.token_type</c>.</summary>
internal enum TokenKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}
