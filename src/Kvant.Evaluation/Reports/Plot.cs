namespace Kvant.Evaluation.Reports;

/// <summary>What a scatter plot shows.</summary>
/// <param name="Id">Tells the plots of one page apart: their elements' ids begin with it.</param>
/// <param name="Methods">The names of the methods that the points' numbers mean.</param>
/// <param name="Points">From few bytes to many.</param>
/// <param name="BytesPerBit">Bytes per token that one bit by number takes.</param>
/// <param name="SizeName">What the bytes are, at the axis.</param>
/// <param name="ErrorName">What the error is, at the other axis.</param>
internal sealed record Plot(string Id, IReadOnlyList<string> Methods, IReadOnlyList<PlotPoint> Points, double BytesPerBit, string SizeName, string ErrorName);
