namespace Kvant.Evaluation.Reports;

/// <summary>One pair of codecs in a heat map.</summary>
/// <param name="Name">Its short name.</param>
/// <param name="Method">The number of the key method; it chooses the mark.</param>
/// <param name="IsPlain">Whether nothing is compressed: what such a row loses is rounding, and the colors leave it out.</param>
/// <param name="Errors">By layer.</param>
internal sealed record HeatRow(string Name, int Method, bool IsPlain, IReadOnlyList<double> Errors)
{
    /// <summary>Whether a cell has a color: it stands for a method that loses something there.</summary>
    public bool HasColor(double error) => !IsPlain && error > 0;
}
