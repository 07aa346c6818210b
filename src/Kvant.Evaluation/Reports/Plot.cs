namespace Kvant.Evaluation.Reports;

/// <summary>What a scatter plot shows.</summary>
/// <param name="Points">From few bytes to many.</param>
/// <param name="BytesPerBit">Bytes per token that one bit by number takes.</param>
/// <param name="SizeName">What the bytes are, at the axis.</param>
/// <param name="ErrorName">What the error is, at the other axis.</param>
internal sealed record Plot(IReadOnlyList<PlotPoint> Points, double BytesPerBit, string SizeName, string ErrorName);
