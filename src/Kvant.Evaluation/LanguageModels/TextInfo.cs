namespace Kvant.Evaluation.LanguageModels;

/// <summary>What was read.</summary>
/// <param name="Name">What the text is called.</param>
/// <param name="Tokens">Tokens of the whole text.</param>
/// <param name="Chunks">Chunks of it that were read, each from an empty cache.</param>
/// <param name="Context">Tokens of a chunk.</param>
internal sealed record TextInfo(string Name, int Tokens, int Chunks, int Context);
