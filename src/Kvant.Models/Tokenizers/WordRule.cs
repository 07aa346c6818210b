namespace Kvant.Models.Tokenizers;

/// <summary>The length of the word at the start of a text that is not empty; at least one character.</summary>
internal delegate int WordRule(ReadOnlySpan<char> text);
