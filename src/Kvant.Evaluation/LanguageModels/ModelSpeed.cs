namespace Kvant.Evaluation.LanguageModels;

/// <summary>How fast a model reads and writes, medians over the prompts of one run.</summary>
/// <param name="PrefillTokensPerSecond">Tokens of a prompt by second.</param>
/// <param name="DecodeTokensPerSecond">Generated tokens by second.</param>
internal sealed record ModelSpeed(double PrefillTokensPerSecond, double DecodeTokensPerSecond);
