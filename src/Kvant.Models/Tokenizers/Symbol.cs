namespace Kvant.Models.Tokenizers;

/// <summary>A piece of a text while pairs of neighbors merge; merged ones are linked to each other by index.</summary>
/// <param name="Start">Where it begins in the text.</param>
/// <param name="Length">How long it is; 0 once it has become part of its left neighbor.</param>
/// <param name="Token">The token, or -1 if the vocabulary has none.</param>
/// <param name="Previous">The left neighbor, or -1.</param>
/// <param name="Next">The right neighbor, or -1.</param>
internal record struct Symbol(int Start, int Length, int Token, int Previous, int Next);
