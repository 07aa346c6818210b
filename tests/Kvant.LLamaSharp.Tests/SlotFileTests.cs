using System.Text.Json;
using Kvant.Cli.Tests;
using Kvant.Tests.Formats;
using LLama.Native;
using LlamaStateBars;

namespace Kvant.LLamaSharp.Tests;

/// <summary>Files that llama.cpp itself wrote, as llama-server and --prompt-cache have it do, go through <c>kvant slot</c> and are loaded by llama.cpp itself.</summary>
public sealed class SlotFileTests
{
    private const int Count = 400;

    [Theory]
    [InlineData(true, null)]
    [InlineData(true, "quality")]
    [InlineData(true, "balanced")]
    [InlineData(false, null)]
    [InlineData(false, "quality")]
    public void FilesOfLlamaCppComeBackSmallerAndGoOn(bool isSlot, string? policy)
    {
        using var folder = new TemporaryFolder();
        string slot = folder.File("slot.bin"), small = folder.File("slot.kvant"), back = folder.File("back.bin");
        LLamaToken[] tokens;
        int[] wanted;
        using (Engine engine = Mini.Open())
        {
            int[] numbers = Mini.Tokens(engine, Count);
            tokens = [.. numbers.Select(number => (LLamaToken)number)];
            wanted = engine.Greedy(engine.Read(numbers, 0), Count, 20);
            engine.Context.NativeHandle.MemorySequenceRemove(LLamaSeqId.Zero, Count, -1);
            Write(engine, slot, tokens, isSlot);
        }

        JsonElement raw = ToolResult.JsonOf("slot", slot, "--inspect");
        Assert.Equal((isSlot ? "a sequence file" : "a session file", Count, Count), (raw.GetProperty("kind").GetString(), raw.GetProperty("tokens").GetInt32(), raw.GetProperty("cells").GetInt32()));
        // Without a policy, and without a model, as somebody who has just heard of it.
        string[] how = policy is null ? [] : ["--policy", policy, "--model", Mini.Model];
        Assert.InRange(ToolResult.JsonOf(["slot", slot, "-o", small, .. how]).GetProperty("ratio").GetDouble(), 1.5, 4);
        string[] of = policy is null ? [] : ["--model", Mini.Model];
        Assert.Equal(Count, ToolResult.JsonOf(["slot", small, "--inspect", .. of]).GetProperty("tokens").GetInt32());
        if (policy is not null)
            ToolResult.Of("slot", small, "-o", back, "--restore", "--model", Mini.Other).AssertFailed(1, "it belongs to");
        ToolResult.JsonOf(["slot", small, "-o", back, "--restore", .. of]);
        Assert.Equal(new FileInfo(slot).Length, new FileInfo(back).Length);
        (byte[] before, byte[] after) = (File.ReadAllBytes(slot), File.ReadAllBytes(back));
        Assert.NotEqual(before, after);
        // Magic, version and tokens.
        Assert.Equal(before.AsSpan(0, 12 + (4 * Count)), after.AsSpan(0, 12 + (4 * Count)));

        using Engine another = Mini.Open();
        Assert.Equal(Count, Read(another, back, isSlot));
        int[] found = Mini.GoOn(another, (int)tokens[^1], Count, 20);
        Assert.Equal(wanted[0], found[0]);
        if (policy == "quality")
            Assert.Equal(wanted, found);
    }

    private static unsafe void Write(Engine engine, string path, LLamaToken[] tokens, bool isSlot)
    {
        if (!isSlot)
        {
            Assert.True(NativeApi.llama_state_save_file(engine.Context.NativeHandle, path, tokens, (ulong)tokens.Length));
            return;
        }

        fixed (LLamaToken* first = tokens)
        {
            nuint written = NativeApi.llama_state_seq_save_file(engine.Context.NativeHandle, path, LLamaSeqId.Zero, first, (nuint)tokens.Length);
            Assert.Equal((nuint)new FileInfo(path).Length, written);
        }
    }

    // What comes back of the tokens does not reach an array of LLamaSharp's.
    private static unsafe int Read(Engine engine, string path, bool isSlot)
    {
        var tokens = new LLamaToken[1000];
        if (!isSlot)
        {
            Assert.True(NativeApi.llama_state_load_file(engine.Context.NativeHandle, path, tokens, (ulong)tokens.Length, out ulong count));
            return (int)count;
        }

        fixed (LLamaToken* first = tokens)
        {
            Assert.Equal((nuint)new FileInfo(path).Length, NativeApi.llama_state_seq_load_file(engine.Context.NativeHandle, path, LLamaSeqId.Zero, first, (nuint)tokens.Length, out nuint count));
            return (int)count;
        }
    }
}
