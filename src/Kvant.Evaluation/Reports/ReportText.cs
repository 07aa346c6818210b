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

    /// <summary>A number of any size; a dash where there is none.</summary>
    public static string Number(double? value) => NumberText.Significant(value ?? double.NaN);

    /// <summary>A round number at an axis.</summary>
    public static string Tick(double value) => value.ToString(value is >= 0.001 and < 10000 ? "0.###" : "0e0", CultureInfo.InvariantCulture);

    public static string Fixed(double value, int digits) => NumberText.Fixed(value, "F" + digits.ToString(CultureInfo.InvariantCulture));

    public static string Bytes(double value) => NumberText.Fixed(value, value >= 100 ? "#,0" : "0.#");

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
