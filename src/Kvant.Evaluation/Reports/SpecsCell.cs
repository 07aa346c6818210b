using System.Text.RegularExpressions;
using System.Xml.Linq;
using Kvant.Codecs;
using Kvant.Evaluation.Experiments;
using static Kvant.Evaluation.Reports.ReportText;

namespace Kvant.Evaluation.Reports;

/// <summary>The specs of a result under its name: short to read, whole under the pointer.</summary>
internal static class SpecsCell
{
    public static IEnumerable<XElement> Of(string keys, string values)
    {
        if (ResultSpecs.Differ(keys, values))
        {
            yield return Element("code", Attribute("title", $"{keys} / {values}"), "by layer");
            yield break;
        }

        string shortKeys = CodecSpec.Parse(keys).ToString(), shortValues = CodecSpec.Parse(values).ToString();
        yield return Element("code", Attribute("title", keys), Breakable(shortKeys));
        if (shortKeys != shortValues)
            yield return Element("code", Attribute("title", values), Breakable(shortValues));
    }

    // A spec that is wider than its column goes on in the next line behind a colon or a comma.
    private static IEnumerable<object> Breakable(string spec) =>
        Regex.Split(spec, "(?<=[:,])").SelectMany((part, i) => i == 0 ? (object[])[part] : [Element("wbr"), part]);
}
