namespace Kvant.Evaluation.Metrics;

/// <summary>A number that was measured on a sample, and how far another sample of the same size would move it.</summary>
/// <param name="Value">What was measured.</param>
/// <param name="StandardError">The standard deviation over samples, by bootstrap over the chunks of a text; null where there is one chunk only.</param>
internal readonly record struct Estimate(double Value, double? StandardError);
