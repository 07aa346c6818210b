namespace Kvant.Evaluation.LanguageModels;

/// <summary>What a model wrote behind one prompt, how many tokens of it it read in a second, and how many it wrote, those of the texts beside it counted too.</summary>
internal sealed record GreedyRun(int[] Tokens, double Reading, double Writing);
