using System.Text.Json;

namespace Kvant.Cli.Tests;

/// <summary>slot: a state of llama.cpp, smaller and back.</summary>
public sealed class SlotVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string Golden(string name)
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Kvant.slnx"))) folder = folder.Parent;
        return Path.Combine(folder!.FullName, "tests", "Kvant.LlamaCpp.Tests", "Golden", name);
    }

    [Theory]
    [InlineData("sequence-1.kvant", "a sequence", 160, 0)]
    [InlineData("context-1.kvant", "a session file", 312, 2)]
    public void StateIsRestoredAndCompressedAgain(string name, string kind, int cells, int tokens)
    {
        string state = _folder["slot.bin"], small = _folder["slot.kvant"], back = _folder["back.bin"];
        JsonElement restored = ToolResult.JsonOf("slot", Golden(name), "-o", state, "--restore");
        Assert.Equal((kind, cells, tokens), (restored.GetProperty("kind").GetString(), restored.GetProperty("cells").GetInt32(), restored.GetProperty("tokens").GetInt32()));
        Assert.Equal(restored.GetProperty("stateBytes").GetInt64(), new FileInfo(state).Length);
        Assert.Equal(1, ToolResult.JsonOf("slot", state, "--inspect").GetProperty("ratio").GetDouble());
        Assert.True(ToolResult.JsonOf("slot", state, "-o", small, "--policy", "quality").GetProperty("ratio").GetDouble() > 1);
        ToolResult.JsonOf("slot", small, "-o", back, "--restore");
        Assert.Equal(new FileInfo(state).Length, new FileInfo(back).Length);
    }

    [Fact]
    public void WrongUseAndDamageLeaveNoFile()
    {
        string state = _folder["slot.bin"], small = _folder["slot.kvant"];
        ToolResult.JsonOf("slot", Golden("sequence-1.kvant"), "-o", state, "--restore");
        ToolResult.Of("slot", state).AssertFailed(2, "--output is wanted, or --inspect alone");
        ToolResult.Of("slot", state, "-o", small, "--inspect").AssertFailed(2, "--inspect alone");
        ToolResult.Of("slot", Golden("sequence-1.kvant"), "-o", small, "--restore", "--policy", "tiny").AssertFailed(2, "leave it out");
        ToolResult.Of("slot", Golden("sequence-1.kvant"), "-o", small).AssertFailed(2, "compressed already");
        ToolResult.Of("slot", state, "-o", small, "--restore").AssertFailed(1, "KVANTLCS");
        byte[] bytes = File.ReadAllBytes(Golden("sequence-1.kvant"));
        bytes[5000] ^= 1;
        File.WriteAllBytes(_folder["damaged.kvant"], bytes);
        ToolResult.Of("slot", _folder["damaged.kvant"], "-o", small, "--restore").AssertFailed(1, "is damaged");
        File.WriteAllBytes(_folder["longer.kvant"], [.. File.ReadAllBytes(Golden("sequence-1.kvant")), 1, 2]);
        ToolResult.Of("slot", _folder["longer.kvant"], "-o", small, "--restore").AssertFailed(1, "2 bytes are left over");
        ToolResult.Of("slot", _folder["longer.kvant"], "--inspect").AssertFailed(1, "2 bytes are left over");
        File.WriteAllBytes(_folder["cut.bin"], File.ReadAllBytes(state)[..3000]);
        ToolResult.Of("slot", _folder["cut.bin"], "-o", small).AssertFailed(1, "the state ends within");
        Assert.False(File.Exists(small));
    }
}
