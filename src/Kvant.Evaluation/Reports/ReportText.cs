using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Kvant.Evaluation.Reports;

/// <summary>Elements, numbers and names as the report writes them. Everything goes through XML elements, which escape it.</summary>
internal static class ReportText
{
    public static XElement Element(string name, params object?[] content) => new(name, content);

    public static XAttribute Class(string name) => new("class", name);

    public static XAttribute Attribute(string name, string value) => new(name, value);

    public static XAttribute Attribute(string name, double value) => new(name, value.ToString("0.##", CultureInfo.InvariantCulture));

    /// <summary>Three digits where the number is of a usual size, else two and an exponent.</summary>
    public static string Number(double? value)
    {
        if (value is not { } v)
            return "–";
        double size = Math.Abs(v);
        if (size is 0 or double.PositiveInfinity)
            return v == 0 ? "0" : "∞";
        return size is >= 0.001 and < 1000
            ? Fixed(v, Math.Clamp(2 - (int)Math.Floor(Math.Log10(size)), 0, 5))
            : v.ToString("0.0e0", CultureInfo.InvariantCulture);
    }

    /// <summary>A round number at an axis.</summary>
    public static string Tick(double value) => value.ToString(value is >= 0.001 and < 10000 ? "0.###" : "0e0", CultureInfo.InvariantCulture);

    public static string Fixed(double value, int digits) => value.ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    public static string Bytes(double value) => value.ToString(value >= 100 ? "#,0" : "0.#", CultureInfo.InvariantCulture);

    public static string Count(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    /// <summary>A name from outside, without the characters that no page can hold.</summary>
    public static string Name(string text)
    {
        char[] characters = text.ToCharArray();
        for (int i = 0; i < characters.Length; i++)
        {
            if (i + 1 < characters.Length && XmlConvert.IsXmlSurrogatePair(characters[i + 1], characters[i]))
                i++;
            else if (!XmlConvert.IsXmlChar(characters[i]))
                characters[i] = '\uFFFD';
        }

        return new string(characters);
    }
}
