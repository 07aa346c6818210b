using System.Globalization;

namespace Kvant.Evaluation.Reports;

/// <summary>Numbers as tables, pages and documents write them. Zero is 0, and nothing else looks like it.</summary>
internal static class NumberText
{
    // Below it an exponent is shorter.
    private const double SmallestPlain = 1e-4;

    /// <summary>A number of any size, such as an error: three digits from .001 to 1,000, two beyond, with an exponent below .0001 and from 1,000.</summary>
    public static string Significant(double value)
    {
        double size = Math.Abs(value);
        return size is 0 or >= 1000 or double.NaN || size < .001 ? Short(value, "") : Plain(value, 3);
    }

    /// <summary>A number with the digits of a format; where that leaves none, two digits behind the zeros.</summary>
    /// <param name="value">The number.</param>
    /// <param name="format">As <see cref="double.ToString(string)"/> takes it; one that begins with + shows that sign.</param>
    public static string Fixed(double value, string format)
    {
        string text = value.ToString(format, CultureInfo.InvariantCulture);
        return double.IsFinite(value) && text.AsSpan().ContainsAnyInRange('1', '9') ? text : Short(value, format.StartsWith('+') ? "+" : "");
    }

    private static string Short(double value, string plus) => value switch
    {
        0 => "0",
        double.PositiveInfinity => "∞",
        double.NegativeInfinity => "-∞",
        double.NaN => "–",
        _ => (value > 0 ? plus : "") + (Math.Abs(value) is >= SmallestPlain and < 1 ? Plain(value, 2) : value.ToString("0.0e0", CultureInfo.InvariantCulture)),
    };

    private static string Plain(double value, int digits) =>
        value.ToString("F" + Math.Max(digits - 1 - (int)Math.Floor(Math.Log10(Math.Abs(value))), 0).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
