namespace Kvant.Evaluation.Reports;

/// <summary>Positive numbers to places on a line, equal factors at equal distances.</summary>
internal sealed record LogAxis(double Minimum, double Maximum, double Start, double End)
{
    public double Place(double value) => Start + ((End - Start) * (Math.Log(value / Minimum) / Math.Log(Maximum / Minimum)));

    public bool Holds(double value) => value >= Minimum && value <= Maximum;

    /// <summary>An axis that holds all numbers that have a place on it, with room on both sides.</summary>
    public static LogAxis Around(IEnumerable<double> values, double room, double start, double end)
    {
        double[] usable = [.. values.Where(v => v > 0 && double.IsFinite(v))];
        (double low, double high) = usable.Length == 0 ? (1e-3, 1) : (usable.Min(), usable.Max());
        return new LogAxis(low / room, high * room, start, end);
    }
}
