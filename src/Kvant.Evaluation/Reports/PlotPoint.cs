namespace Kvant.Evaluation.Reports;

/// <summary>One pair of codecs on a plot.</summary>
/// <param name="Name">Short, beside the mark.</param>
/// <param name="Label">Whole, under the pointer.</param>
/// <param name="Method">The number of the key method; it chooses the mark.</param>
/// <param name="Bytes">Bytes per token.</param>
/// <param name="Error">What is lost.</param>
internal sealed record PlotPoint(string Name, string Label, int Method, double Bytes, double Error);
