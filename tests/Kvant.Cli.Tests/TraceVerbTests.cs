using System.Text.Json;
using Kvant.Formats;

namespace Kvant.Cli.Tests;

public sealed class TraceVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void RecordedTraceIsEvaluated()
    {
        JsonElement row = Assert.Single(ToolResult.JsonOf("trace", "-o", _folder["trace.safetensors"], "--tokens", "128", "--skip", "1000").EnumerateArray());
        Assert.Equal((4, 2, 4, 128), (Number("layers"), Number("kvHeads"), Number("queryHeads"), Number("tokens")));
        JsonElement found = Assert.Single(ToolResult.JsonOf("evaluate", _folder["trace.safetensors"], "--codec", "turboquant:bits=4").EnumerateArray());
        // .0093 is what 4 bits lose of any row.
        Assert.InRange(found.GetProperty("keyNmse").GetDouble(), .008, .011);
        Assert.True(found.GetProperty("attentionKl").GetProperty("mean").GetDouble() > 0);
        Assert.Equal(["trace.safetensors"], _folder.Names);

        int Number(string field) => row.GetProperty(field).GetInt32();
    }

    [Fact]
    public void SkippedTokensAreLeftOutAndTheTextBeginsAllTheSame()
    {
        Record("all", "--tokens", "40");
        Record("rest", "--tokens", "20", "--skip", "20");
        Record("first", "--tokens", "20");
        // In the first layer a value depends on its token alone.
        float[] all = Values("all"), rest = Values("rest"), first = Values("first");
        const int Dimension = 64;
        AssertNear(all[..first.Length], first);
        AssertNear(all[..Dimension], rest[..Dimension]);
        AssertNear(all[(21 * Dimension)..], rest[Dimension..]);

        void Record(string name, params string[] more) => ToolResult.JsonOf(["trace", "-o", _folder[name], "--type", "f32", "--threads", "1", .. more]);

        float[] Values(string name)
        {
            using Trace trace = Trace.Open(_folder[name]);
            float[] values = new float[trace.Tokens * trace.ValueDimension];
            trace.ReadValues(0, 0, values);
            return values;
        }

        static void AssertNear(float[] wanted, float[] found)
        {
            Assert.Equal(wanted.Length, found.Length);
            Assert.All(wanted.Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-5)); // sums of other batches, in another order
        }
    }

    [Fact]
    public void TextThatIsTooShortFails()
    {
        File.WriteAllText(_folder["short.txt"], "Call me");
        ToolResult.Of("trace", "--text", _folder["short.txt"], "-o", _folder["out"], "--skip", "3").AssertFailed(1, "short.txt", "3 to skip and 512 to record");
        Assert.Equal(["short.txt"], _folder.Names);
    }

    [Fact]
    public void TextBeyondTheModelsContextIsWarnedOf()
    {
        ToolResult result = ToolResult.Of("trace", "-o", _folder["out"], "--tokens", "1025");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("1025 tokens; the model was trained on 1024", Assert.Single(result.Error.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public void WrongFilesAreSaid()
    {
        ToolResult.Of("trace", "--model", _folder["none.gguf"], "-o", _folder["out"]).AssertFailed(1, "none.gguf", "does not exist");
        ToolResult.Of("trace", "--text", _folder["none.txt"], "-o", _folder["out"]).AssertFailed(1, "none.txt", "does not exist");
        ToolResult.Of("trace", "--model", TempFolder.Trace, "-o", _folder["out"]).AssertFailed(1, "mini-trace.safetensors");
        ToolResult.Of("trace").AssertFailed(2, "--output");
        File.WriteAllText(_folder["text.txt"], "words");
        ToolResult.Of("trace", "--text", _folder["text.txt"], "-o", _folder["text.txt"]).AssertFailed(2, "is the input");
    }
}
