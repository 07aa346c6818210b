using System.CommandLine;
using System.Text.Json;
using Kvant.Cli.Output;
using Kvant.Codecs;

namespace Kvant.Cli.Verbs;

/// <summary><c>kvant codecs</c>: the catalogue.</summary>
internal sealed class CodecsVerb : Verb
{
    private static readonly Column<CodecSetting>[] SettingFields =
    [
        Column<CodecSetting>.OfText("name", "", s => s.Name),
        Column<CodecSetting>.OfText("summary", "", s => s.Summary),
        Column<CodecSetting>.OfText("default", "", s => s.Default),
        Column<CodecSetting>.OfText("allowed", "", s => s.Allowed),
    ];

    private static readonly Column<CodecMethod>[] Columns =
    [
        Column<CodecMethod>.OfText("name", "codec", m => m.Name),
        Column<CodecMethod>.OfText("summary", "", m => m.Summary),
        Column<CodecMethod>.OfValue("settings", "what it does, and its settings: default, allowed, meaning", m => Describe(m, "  "), WriteSettings, m => Describe(m, "\n      ")),
    ];

    public CodecsVerb()
        : base("codecs", "List the compression methods and their settings.")
    {
    }

    public override string Details => """
            A codec is written as text, its spec: the name, then a colon and the settings that differ from their defaults,
            such as turboquant:bits=3,scale=unbiased. Every --codec, --keys and --values takes such a spec.
            """;

    public override IReadOnlyList<string> Examples => ["kvant codecs", "kvant codecs --json | jq '.[].name'"];

    protected override void Run(ParseResult result, Terminal terminal, bool json) =>
        Tables.Write(terminal, json, Columns, CodecCatalog.Methods);

    private static string Describe(CodecMethod method, string beforeSummary)
    {
        int names = method.Settings.Select(s => s.Name.Length + s.Default.Length + 1).DefaultIfEmpty().Max();
        int allowed = method.Settings.Select(s => s.Allowed.Length).DefaultIfEmpty().Max();
        IEnumerable<string> settings = method.Settings.Select(s =>
            $"  {$"{s.Name}={s.Default}".PadRight(names)}  {s.Allowed.PadRight(allowed)}{beforeSummary}{s.Summary}");
        return string.Join('\n', settings.Prepend(method.Summary));
    }

    private static void WriteSettings(Utf8JsonWriter json, CodecMethod method)
    {
        json.WriteStartArray();
        foreach (CodecSetting setting in method.Settings)
            Json.WriteObject(json, SettingFields, setting);
        json.WriteEndArray();
    }
}
