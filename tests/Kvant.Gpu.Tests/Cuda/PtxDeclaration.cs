using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>What a text declares: registers or variables of a space.</summary>
internal sealed partial record PtxDeclaration(PtxStatement Statement, string Space, PtxType Type, int Align, string Name, int Count, bool IsExternal)
{
    public static bool TryParse(PtxStatement statement, [NotNullWhen(true)] out PtxDeclaration? declaration)
    {
        declaration = null;
        Match match = VariablePattern().Match(statement.Text);
        if (!match.Success || !PtxTypes.TryParse(match.Groups["type"].Value, out PtxType type))
            return false;
        string count = match.Groups["count"].Value;
        bool isExternal = match.Groups["external"].Success;
        // Only memory that a launch adds has no size.
        if (isExternal != (match.Groups["array"].Success && count.Length == 0))
            return false;
        int align = match.Groups["align"] is { Success: true } group ? int.Parse(group.Value) : type.Size();
        declaration = new(statement, match.Groups["space"].Value, type, align, match.Groups["name"].Value, match.Groups["array"].Success ? count.Length == 0 ? 0 : int.Parse(count) : 1, isExternal);
        return true;
    }

    /// <summary>The registers of a declaration: a name for each, of a range or of a list.</summary>
    public static bool TryParseRegisters(PtxStatement statement, out PtxType type, out List<string> names)
    {
        names = [];
        type = PtxType.None;
        Match match = RegisterPattern().Match(statement.Text);
        if (!match.Success || !PtxTypes.TryParse(match.Groups["type"].Value, out type))
            return false;
        foreach (string name in match.Groups["names"].Value.Split(',', StringSplitOptions.TrimEntries))
        {
            Match range = RangePattern().Match(name);
            if (!range.Success)
                return false;
            if (range.Groups["count"].Success)
                names.AddRange(Enumerable.Range(0, int.Parse(range.Groups["count"].Value)).Select(i => $"{range.Groups["name"].Value}{i}"));
            else
                names.Add(name);
        }

        return true;
    }

    [GeneratedRegex(@"^((?<external>\.extern)\s+)?\.(?<space>shared|local)\s+(\.align\s+(?<align>\d+)\s+)?\.(?<type>\w+)\s+(?<name>[\w$]+)(?<array>\[(?<count>\d*)\])?$")]
    private static partial Regex VariablePattern();

    [GeneratedRegex(@"^\.reg\s+\.(?<type>\w+)\s+(?<names>.*)$")]
    private static partial Regex RegisterPattern();

    [GeneratedRegex(@"^(?<name>[%\w$]+)(<(?<count>\d+)>)?$")]
    private static partial Regex RangePattern();
}
