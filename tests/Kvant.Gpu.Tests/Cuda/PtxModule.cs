using System.Globalization;
using System.Text.RegularExpressions;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>The kernels of a text of PTX, as clang writes it. What is not known is refused with its line: nothing is passed over.</summary>
internal sealed partial class PtxModule
{
    private readonly Dictionary<string, PtxKernel> _kernels = [];

    private PtxModule()
    {
    }

    public IReadOnlyDictionary<string, PtxKernel> Kernels => _kernels;

    /// <summary>The version of the language times ten: 72 is 7.2.</summary>
    public int Version { get; private set; }

    /// <summary>The least card that it is for: 80 is sm_80.</summary>
    public int Target { get; private set; }

    public static PtxModule Parse(string text)
    {
        var module = new PtxModule();
        var reader = new PtxText(text);
        var shared = new List<PtxDeclaration>();
        while (reader.Next() is { } statement)
        {
            if (statement.End == '\n')
                module.Directive(statement);
            else if (statement.End == ';' && PtxDeclaration.TryParse(statement, out PtxDeclaration? declaration) && declaration.Space == "shared")
                shared.Add(declaration);
            else if (statement.End == '{' && EntryPattern().Match(statement.Text) is { Success: true } entry)
                module.Entry(statement, entry, reader, shared);
            else
                throw statement.Unsupported("not known here");
        }

        if (module.Version == 0 || module.Target == 0)
            throw new NotSupportedException("PTX line 1: no .version and .target");
        return module;
    }

    private void Directive(PtxStatement statement)
    {
        string[] words = statement.Text.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
        switch (words)
        {
            case [".version", var version] when double.TryParse(version, CultureInfo.InvariantCulture, out double number):
                Version = (int)Math.Round(number * 10);
                break;
            case [".target", var target] when target.StartsWith("sm_", StringComparison.Ordinal) && int.TryParse(target.AsSpan(3), out int number):
                Target = number;
                break;
            case [".address_size", "64"]:
            case [".file" or ".loc", ..]:
                break;
            default:
                throw statement.Unsupported("not known here");
        }
    }

    private void Entry(PtxStatement statement, Match entry, PtxText reader, List<PtxDeclaration> shared)
    {
        if (Version == 0 || Target == 0)
            throw statement.Unsupported("no .version and .target before it");
        var assembler = new PtxAssembler(statement, entry.Groups["name"].Value);
        foreach (string parameter in entry.Groups["parameters"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            Match match = ParameterPattern().Match(parameter);
            if (!match.Success || !PtxTypes.TryParse(match.Groups["type"].Value, out PtxType type))
                throw statement.Unsupported($"the parameter {parameter} is not known");
            assembler.AddParameter(match.Groups["name"].Value, type);
        }

        int maximum = 1024, required = 0;
        string directives = entry.Groups["directives"].Value;
        foreach (Match match in TuningPattern().Matches(directives))
        {
            int threads = match.Groups["numbers"].Value.Split(',').Aggregate(1, (product, x) => product * int.Parse(x));
            if (match.Groups["name"].Value == "maxntid")
                maximum = Math.Min(maximum, threads);
            else if (match.Groups["name"].Value == "reqntid")
                maximum = required = threads;
        }

        if (TuningPattern().Replace(directives, "").Trim().Length > 0)
            throw statement.Unsupported("its directives are not known");
        foreach (PtxDeclaration declaration in shared)
            assembler.Declare(declaration);
        PtxKernel kernel = assembler.Assemble(reader, maximum, required);
        if (!_kernels.TryAdd(kernel.Name, kernel))
            throw statement.Unsupported("a second kernel of that name");
    }

    [GeneratedRegex(@"^(\.visible\s+)?\.entry\s+(?<name>[\w$]+)\s*\((?<parameters>[^)]*)\)(?<directives>[^()]*)$")]
    private static partial Regex EntryPattern();

    [GeneratedRegex(@"^\.param\s+\.(?<type>\w+)\s+(\.ptr\s+(\.(global|shared|local)\s+)?(\.align\s+\d+\s+)?)?(?<name>[\w$]+)$")]
    private static partial Regex ParameterPattern();

    [GeneratedRegex(@"\.(?<name>maxntid|reqntid|minnctapersm|maxnreg)\s+(?<numbers>\d+(\s*,\s*\d+)*)")]
    private static partial Regex TuningPattern();
}
