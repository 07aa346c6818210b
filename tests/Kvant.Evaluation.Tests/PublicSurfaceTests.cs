using System.Xml.Linq;
using Kvant.Chat;
using Kvant.Codecs;
using Kvant.Conversations;
using Kvant.Conversations.Redis;
using Kvant.Evaluation.Experiments;
using Kvant.Gpu;
using Kvant.LlamaCpp;
using Kvant.Models.Decoding;
using Kvant.Serving;

namespace Kvant.Evaluation.Tests;

/// <summary>What users of the packages see, and which project may use which.</summary>
public sealed class PublicSurfaceTests
{
    private static readonly Dictionary<string, string[]> s_allowed = new()
    {
        ["Kvant"] = [],
        ["Kvant.Models"] = ["Kvant"],
        ["Kvant.Chat"] = ["Kvant.Conversations", "Kvant.Models"],
        ["Kvant.Conversations"] = ["Kvant"],
        ["Kvant.Conversations.Redis"] = ["Kvant.Conversations"],
        ["Kvant.LlamaCpp"] = ["Kvant"],
        ["Kvant.Gpu"] = ["Kvant"],
        ["Kvant.LLamaSharp"] = ["Kvant.Conversations", "Kvant.LlamaCpp"],
        ["Kvant.OnnxRuntime"] = ["Kvant.Chat"],
        ["Kvant.Evaluation"] = ["Kvant", "Kvant.Models"],
        ["Kvant.Serving"] = ["Kvant.Chat"],
        ["Kvant.Cli"] = ["Kvant.Chat", "Kvant.Serving", "Kvant.Evaluation", "Kvant.Conversations", "Kvant.Conversations.Redis", "Kvant.LlamaCpp", "Kvant.Gpu"],
    };

    [Fact]
    public void FewerThanSeventyTypesAreForUsers()
    {
        string[] types = [.. new[] { typeof(Codec), typeof(LanguageModel), typeof(DefaultCodecs) }
            .SelectMany(t => t.Assembly.GetExportedTypes()).Where(t => !t.IsNested).Select(t => t.FullName!).Order(StringComparer.Ordinal)];
        Assert.True(types.Length < 70, $"{types.Length} public types:\n{string.Join('\n', types)}");
    }

    /// <summary>Packages that stand beside the core have a list of their own, and a short one.</summary>
    [Fact]
    public void ConversationsHaveFewerThanTwentyTypes() => Assert.InRange(TypesBeside(typeof(PrefixStore), typeof(RedisChunkStore)), 1, 19);

    [Fact]
    public void ChatAndServingHaveFewTypes() => Assert.InRange(TypesBeside(typeof(KvantChatClient), typeof(KvantServing)), 1, 6);

    [Fact]
    public void StatesOfLlamaCppHaveFewTypes() => Assert.InRange(typeof(LlamaState).Assembly.GetExportedTypes().Length, 1, 6);

    [Fact]
    public void DevicesHaveFewTypes() => Assert.InRange(typeof(GpuDevice).Assembly.GetExportedTypes().Length, 1, 6);

    [Fact]
    public void EvaluationIsTheToolsOwn() => Assert.Empty(typeof(DefaultCodecs).Assembly.GetExportedTypes());

    [Fact]
    public void PageOfEveryPublicMemberIsThatOfTheCode() => Assert.True(
        ApiPage.Page.Of(typeof(Codec).Assembly, typeof(LanguageModel).Assembly, typeof(PrefixStore).Assembly, typeof(RedisChunkStore).Assembly, typeof(KvantChatClient).Assembly, typeof(KvantServing).Assembly, typeof(LlamaState).Assembly, typeof(GpuDevice).Assembly) == File.ReadAllText(Path.Combine(Repository(), "docs", "api.md")),
        "docs/api.md is not what the code shows: eng/public-api.sh writes it anew.");

    [Fact]
    public void ProjectsUseOnlyThoseThatTheDrawingLetsThemUse()
    {
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Repository(), "src"), "*.csproj", SearchOption.AllDirectories))
        {
            string name = Path.GetFileNameWithoutExtension(file);
            Assert.True(s_allowed.TryGetValue(name, out string[]? allowed), $"The project {name} is not in the drawing.");
            Assert.Empty(XDocument.Load(file).Descendants("ProjectReference").Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value)).Except(allowed));
        }
    }

    private static int TypesBeside(params Type[] types) => types.Sum(t => t.Assembly.GetExportedTypes().Count(e => !e.IsNested));

    private static string Repository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Kvant.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException($"No Kvant.slnx above {AppContext.BaseDirectory}.");
    }
}
