namespace Kvant.Evaluation.LanguageModels;

/// <summary>What a model wrote behind one prompt, and how many tokens it read and wrote in a second.</summary>
internal sealed record GreedyRun(int[] Tokens, double Reading, double Writing);
