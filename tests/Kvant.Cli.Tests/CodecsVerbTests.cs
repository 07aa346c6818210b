using System.Text.Json;
using Kvant.Codecs;

namespace Kvant.Cli.Tests;

public sealed class CodecsVerbTests
{
    [Fact]
    public void JsonListsTheCatalogWithSettings()
    {
        JsonElement[] rows = [.. ToolResult.JsonOf("codecs").EnumerateArray()];
        Assert.Equal(CodecCatalog.Methods.Select(m => m.Name), rows.Select(r => r.GetProperty("name").GetString()));
        foreach ((CodecMethod method, JsonElement row) in CodecCatalog.Methods.Zip(rows))
        {
            Assert.Equal(method.Summary, row.GetProperty("summary").GetString());
            JsonElement[] settings = [.. row.GetProperty("settings").EnumerateArray()];
            Assert.Equal(method.Settings.Select(s => (s.Name, s.Default, s.Allowed)), settings.Select(s =>
                (s.GetProperty("name").GetString()!, s.GetProperty("default").GetString()!, s.GetProperty("allowed").GetString()!)));
        }
    }

    [Fact]
    public void TableShowsEveryCodecAndSettingWithoutControlCharacters()
    {
        ToolResult result = ToolResult.Of("codecs");
        Assert.Equal(0, result.ExitCode);
        Assert.DoesNotContain('\u001b', result.Out);
        foreach (CodecMethod method in CodecCatalog.Methods)
        {
            Assert.Contains(method.Name, result.Out, StringComparison.Ordinal);
            Assert.Contains(method.Summary, result.Out, StringComparison.Ordinal);
            Assert.All(method.Settings, s => Assert.Contains($"{s.Name}={s.Default}", result.Out, StringComparison.Ordinal));
        }
    }
}
