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
        yield return Element("code", Attribute("title", keys), shortKeys);
        if (shortKeys != shortValues)
            yield return Element("code", Attribute("title", values), shortValues);
    }
}
