using System.Runtime.InteropServices;
using Kvant.Conversations.Stores;
using Kvant.LlamaCpp;
using Kvant.LlamaCpp.States;
using LLama;
using LLama.Batched;
using LLama.Common;
using LLama.Native;

namespace Kvant.LLamaSharp.Tests;

public sealed class ConversationTests : IDisposable
{
    private readonly ModelParams _parameters = new(Mini.Model) { ContextSize = 2048, SeqMax = 3, GpuLayerCount = 0, Threads = 2, BatchThreads = 2 };
    private readonly LLamaWeights _weights;
    private readonly LLamaToken[] _tokens;

    public ConversationTests()
    {
        _weights = LLamaWeights.LoadFromFile(_parameters);
        _tokens = _weights.NativeHandle.Tokenize(Mini.Text, true, false, _parameters.Encoding);
    }

    public void Dispose() => _weights.Dispose();

    [Fact]
    public async Task ConversationGoesOnInAnotherExecutor()
    {
        using var file = new MemoryStream();
        int[] wanted;
        using (var executor = new BatchedExecutor(_weights, _parameters))
        {
            using Conversation conversation = executor.Create();
            conversation.Prompt(_tokens.AsSpan(0, 300));
            Assert.Throws<InvalidOperationException>(() => conversation.SaveCompressed(file));
            await Read(executor);
            conversation.SaveCompressed(file, Mini.Exact);
            conversation.Prompt(_tokens[300]);
            await Read(executor);
            wanted = Best(conversation);
        }

        using (var executor = new BatchedExecutor(_weights, _parameters))
        {
            using Conversation other = executor.Create();
            file.Position = 0;
            using Conversation conversation = executor.LoadCompressed(file);
            Assert.Equal(300, conversation.TokenCount);
            conversation.Prompt(_tokens[300]);
            await Read(executor);
            Assert.Equal(wanted, Best(conversation));
        }
    }

    [Fact]
    public void LoadThatIsRefusedLeavesNoConversation()
    {
        using var executor = new BatchedExecutor(_weights, _parameters);
        // There are three sequences.
        for (int i = 0; i < 10; i++)
            Assert.Throws<InvalidDataException>(() => executor.LoadCompressed(new MemoryStream(new byte[100])));
        using Conversation a = executor.Create(), b = executor.Create(), c = executor.Create();
    }

    [Fact]
    public async Task LongestStoredBeginningIsLoadedInsteadOfComputed()
    {
        var store = new MemoryChunkStore(1 << 26);
        LLamaToken[] prompt = _tokens[..700], another = [.. _tokens[..600], .. _tokens[50..60]];
        await using (Prefixes first = new(this, store))
        {
            using PromptedConversation prompted = await first.Executor.PromptAsync(prompt);
            Assert.Equal(0, prompted.RestoredTokens);
            Assert.Throws<InvalidOperationException>(() => first.Executor.Store(prompted, prompt));
            await Read(first.Batched);
            Assert.Equal(Conversations.StoreOutcome.Queued, first.Executor.Store(prompted, prompt));
            Assert.Equal(Conversations.StoreOutcome.NothingNew, first.Executor.Store(prompted, prompt));
            await first.Executor.FlushAsync();
        }

        // As after a restart; what another tenant stored is not there.
        await using Prefixes second = new(this, store), stranger = new(this, store, "another");
        using PromptedConversation again = await second.Executor.PromptAsync(another), alone = await stranger.Executor.PromptAsync(another);
        Assert.Equal((516, 0), (again.RestoredTokens, alone.RestoredTokens));
        await Read(second.Batched);
        await Read(stranger.Batched);
        // Nearly those of a conversation that was read as a whole.
        Assert.Equal(Best(alone.Conversation)[0], Best(again.Conversation)[0]);
        Assert.Equal(516, second.Executor.Statistics.TokensHit);

        // It goes on growing, and what grew is stored.
        LLamaToken[] longer = [.. another, .. _tokens[900..1300]];
        again.Conversation.Prompt(longer.AsSpan(another.Length));
        await Read(second.Batched);
        Assert.Equal(Conversations.StoreOutcome.Queued, second.Executor.Store(again, longer));
        await second.Executor.FlushAsync();
        using PromptedConversation third = await second.Executor.PromptAsync(longer);
        Assert.Equal(772, third.RestoredTokens);
    }

    /// <summary>What a program notes, such as an adapter, belongs to what is stored.</summary>
    [Fact]
    public async Task BeginningsOfAnotherNoteAreNotLoaded()
    {
        var store = new MemoryChunkStore(1 << 26);
        await using Prefixes first = new(this, store, note: "adapter a"), same = new(this, store, note: "adapter a"), other = new(this, store, note: "adapter b");
        using PromptedConversation prompted = await first.Executor.PromptAsync(_tokens.AsMemory(0, 700));
        await Read(first.Batched);
        first.Executor.Store(prompted, _tokens.AsSpan(0, 700));
        await first.Executor.FlushAsync();
        using PromptedConversation again = await same.Executor.PromptAsync(_tokens.AsMemory(0, 700)), alone = await other.Executor.PromptAsync(_tokens.AsMemory(0, 700));
        Assert.Equal((516, 0), (again.RestoredTokens, alone.RestoredTokens));
    }

    [Fact]
    public async Task ConversationThatDoesNotFitIsRead()
    {
        var store = new MemoryChunkStore(1 << 26);
        await using Prefixes prefixes = new(this, store);
        using PromptedConversation first = await prefixes.Executor.PromptAsync(_tokens.AsMemory(0, 1200));
        await Read(prefixes.Batched);
        prefixes.Executor.Store(first, _tokens.AsSpan(0, 1200));
        await prefixes.Executor.FlushAsync();
        // 1,200 of 2,048 cells are taken.
        using PromptedConversation second = await prefixes.Executor.PromptAsync(_tokens.AsMemory(0, 1100));
        Assert.Equal(0, second.RestoredTokens);
    }

    /// <summary>A conversation that went back and on otherwise, between two calls: what is stored of it is what it holds, not what it held.</summary>
    [Fact]
    public async Task ConversationThatWentOnOtherwiseIsStoredAsItIs()
    {
        var store = new MemoryChunkStore(1 << 26);
        LLamaToken[] first = _tokens[..700], other = [.. _tokens[..400], .. _tokens[1500..2000]];
        await using (Prefixes prefixes = new(this, store))
        {
            using PromptedConversation prompted = await prefixes.Executor.PromptAsync(first);
            await Read(prefixes.Batched);
            prefixes.Executor.Store(prompted, first);
            prompted.Conversation.Rewind(300);
            prompted.Conversation.Prompt(other.AsSpan(400));
            await Read(prefixes.Batched);
            Assert.Equal(Conversations.StoreOutcome.Queued, prefixes.Executor.Store(prompted, other));
            await prefixes.Executor.FlushAsync();
        }

        await using Prefixes second = new(this, store), stranger = new(this, store, "another");
        using PromptedConversation again = await second.Executor.PromptAsync(other), alone = await stranger.Executor.PromptAsync(other);
        Assert.InRange(again.RestoredTokens, 600, 899);
        Assert.Equal(0, alone.RestoredTokens);
        await Read(second.Batched);
        await Read(stranger.Batched);
        // Keys of the first layer are those of a token at a position.
        (double[] wanted, double[] found) = (Keys(stranger, alone), Keys(second, again));
        Assert.InRange(wanted.Zip(found).Sum(pair => Math.Pow(pair.First - pair.Second, 2)) / wanted.Sum(number => number * number), 0, .02);
    }

    private static double[] Keys(Prefixes prefixes, PromptedConversation prompted)
    {
        using NativeBuffer buffer = NativeBuffer.Of(prefixes.Batched.Context, prompted.Conversation.ConversationId);
        using UnmanagedMemoryStream stream = buffer.Open();
        AttentionPart part = (AttentionPart)LlamaState.Read(stream).Parts[0];
        StreamPart held = part.Streams.First(one => one.Cells.Count > 0);
        Half[] keys = new Half[600 * part.Layers[0].KeyWidth];
        stream.Position = held.KeyOffsets[0];
        stream.ReadExactly(MemoryMarshal.AsBytes(keys.AsSpan()));
        return [.. keys.Select(number => (double)number)];
    }

    [Fact]
    public async Task ShiftedConversationIsNotStored()
    {
        await using Prefixes prefixes = new(this, new MemoryChunkStore(1 << 26));
        using PromptedConversation first = await prefixes.Executor.PromptAsync(_tokens.AsMemory(0, 500));
        await Read(prefixes.Batched);
        prefixes.Batched.Context.NativeHandle.MemorySequenceRemove(first.Conversation.ConversationId, 10, 60);
        Assert.Throws<InvalidDataException>(() => prefixes.Executor.Store(first, _tokens.AsSpan(0, 500)));
        await Assert.ThrowsAsync<ArgumentException>(() => prefixes.Executor.PromptAsync(default));
    }

    private static async Task Read(BatchedExecutor executor)
    {
        while (executor.BatchedTokenCount > 0)
            Assert.Equal(DecodeResult.Ok, await executor.Infer());
    }

    // The five likeliest tokens.
    private static int[] Best(Conversation conversation)
    {
        float[] logits = conversation.Sample().ToArray();
        return [.. Enumerable.Range(0, logits.Length).OrderByDescending(token => logits[token]).Take(5)];
    }

    private sealed class Prefixes : IAsyncDisposable
    {
        public Prefixes(ConversationTests tests, IChunkStore store, string tenant = "", string? note = null)
        {
            Batched = new BatchedExecutor(tests._weights, tests._parameters);
            Executor = new PrefixedExecutor(Batched, store, note is null ? null : new() { Identity = ModelFacts.Of(Batched.Context).Identity with { Note = note } }, tenant);
        }

        public BatchedExecutor Batched { get; }

        public PrefixedExecutor Executor { get; }

        public async ValueTask DisposeAsync()
        {
            await Executor.DisposeAsync();
            Batched.Dispose();
        }
    }
}
