using Kvant.Chat.Scheduling;
using Kvant.Conversations.Stores;
using Kvant.Models.Generation;
using Kvant.Tests.Formats;
using Microsoft.Extensions.AI;

namespace Kvant.Chat.Tests.Scheduling;

/// <summary>Who gets a place, who waits, who shares what with whom.</summary>
public sealed class SchedulerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task ManyAtOnceAreToldWhatEachIsAlone()
    {
        string[] questions = [.. Words.Select(w => $"And {w} said unto him")];
        await using TextEngine engine = Engine(o => o with { Running = 20 });
        string[] together = [.. (await Task.WhenAll(questions.Select(q => engine.Ask(q, 20).End))).Select(e => e.Text)];
        await using TextEngine alone = Engine(o => o with { Caches = 1 });
        for (int i = 0; i < questions.Length; i++)
            Assert.Equal((await alone.Ask(questions[i], 20).End).Text, together[i]);
        Assert.True(together.Distinct().Count() > questions.Length / 2, string.Join('|', together));
    }

    [Fact]
    public async Task LongPromptStopsNobodysTokens()
    {
        await using TextEngine engine = Engine(o => o with { Batch = 32 });
        using CancellationTokenSource stop = new();
        Answer writes = engine.Ask("In the beginning", 8000, cancellation: stop.Token);
        await writes.Pieces.WaitToReadAsync();
        Answer reads = engine.Ask(Long(1500), 3, cancellation: stop.Token);
        await reads.Pieces.WaitToReadAsync();
        int pieces = reads.Prompt.Length / 32, tokens = 0;
        while (writes.Pieces.TryRead(out _))
            tokens++;
        // One for each piece of the other's prompt; some tokens are no text on their own.
        Assert.InRange(tokens, pieces * 3 / 4, int.MaxValue);
        await stop.CancelAsync();
    }

    [Fact]
    public async Task ShortPromptDoesNotWaitForALongOne()
    {
        await using TextEngine engine = Engine(o => o with { Batch = 32 });
        Answer slow = engine.Ask(Long(3000), 1), quick = engine.Ask("And the evening and the morning", 2);
        await quick.End;
        Assert.False(slow.Pieces.TryPeek(out _));
        Assert.Equal(0, (await slow.End).Cached);
    }

    [Fact]
    public async Task LongPromptDoesNotWaitUntilNoShortOneComes()
    {
        const int Pieces = 6, Running = 16, Shorts = 300;
        await using TextEngine engine = Engine(o => o with { Batch = 32, Running = Running });
        int[] prompt = engine.Tokenizer.Encode(Long(400))[..(Pieces * 32)];
        Answer[] before = [.. Enumerable.Range(0, Running - 1).Select(Short)];
        Answer slow = engine.Submit(Asking.Request(engine, prompt, 1), default);
        Answer[] behind = [.. Enumerable.Range(Running, Shorts).Select(Short)];
        TimeSpan end = (await slow.End).Time;
        AnswerEnd[] others = await Task.WhenAll(before.Concat(behind).Select(a => a.End));
        // Each piece of it waits for one of each of those that run beside it.
        Assert.InRange(others.Count(o => o.Time < end), 1, (Pieces + 2) * Running);

        Answer Short(int number) => engine.Ask($"{number}. And the evening", 1);
    }

    [Fact]
    public async Task MoreThanMayWaitAreRefusedUntilThereIsRoom()
    {
        await using TextEngine engine = Engine(o => o with { Running = 1, Queue = 2 });
        using CancellationTokenSource first = new(), second = new();
        Answer running = engine.Ask("In the beginning", 8000, cancellation: first.Token);
        await running.Pieces.WaitToReadAsync();
        Answer waits = engine.Ask("And God said", 3, cancellation: second.Token), alsoWaits = engine.Ask("And God saw", 3);
        Assert.Contains("2 requests wait", Assert.Throws<QueueFullException>(() => engine.Ask("And God made", 3)).Message, StringComparison.Ordinal);

        // Who is cancelled while it waits gives its place to another at once.
        await second.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits.End);
        Answer third = engine.Ask("And God made", 3);
        Assert.Throws<QueueFullException>(() => engine.Ask("And God rested", 3));

        // So does who is cancelled while it writes.
        Assert.False(alsoWaits.End.IsCompleted);
        await first.CancelAsync();
        Assert.Equal((3, 3), ((await alsoWaits.End).Written, (await third.End).Written));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.End);
    }

    [Fact]
    public async Task WhatPromptsHaveInCommonIsReadOnceThoughTheyComeAtOnce()
    {
        await using TextEngine engine = Engine(o => o with { Batch = 64 });
        string common = Long(700);
        AnswerEnd[] ends = await Task.WhenAll(Words.Select(w => engine.Ask(common + " " + w, 4).End));
        Assert.Equal(1, ends.Count(e => e.Cached == 0));
        Assert.All(ends.Where(e => e.Cached > 0), e => Assert.InRange(e.Prompt - e.Cached, 1, 16));
    }

    [Fact]
    public async Task WhoReadsFirstMayLeaveInTheMiddle()
    {
        await using TextEngine engine = Engine(o => o with { Batch = 16 });
        using CancellationTokenSource stop = new();
        string common = Long(2000);
        Answer first = engine.Ask(common + " Adam", 4, cancellation: stop.Token), second = engine.Ask(common + " Noah", 4), third = engine.Ask(common + " Noah", 4);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.End);
        Assert.Equal((await second.End).Text, (await third.End).Text);
    }

    [Fact]
    public async Task TenantsShareNothing()
    {
        MemoryChunkStore store = new(1L << 28);
        await using TextEngine engine = Engine(o => o with { Store = store });
        string prompt = Long(900);
        AnswerEnd[] ends = [await engine.Ask(prompt, 3, tenant: "a").End, await engine.Ask(prompt, 3, tenant: "b").End, await engine.Ask(prompt, 3, tenant: "a").End];
        Assert.Equal([0, 0, ends[0].Prompt - 1], ends.Select(e => e.Cached));
        await engine.FlushAsync(default);

        // Nor in what is stored: another process finds its own.
        await using TextEngine other = Engine(o => o with { Store = store });
        Assert.InRange((await other.Ask(prompt, 3, tenant: "b").End).Cached, 256, ends[0].Prompt);
        Assert.Equal(0, (await other.Ask(prompt, 3, tenant: "c").End).Cached);
    }

    [Fact]
    public async Task ManyWhoAreStoredAlikeAreRestoredOnce()
    {
        MemoryChunkStore store = new(1L << 28);
        string common = Long(900);
        await using (TextEngine engine = Engine(o => o with { Store = store }))
        {
            await engine.Ask(common, 3).End;
            await engine.FlushAsync(default);
        }

        await using TextEngine other = Engine(o => o with { Store = store });
        AnswerEnd[] ends = await Task.WhenAll(Words.Take(6).Select(w => other.Ask(common + " " + w, 4).End));
        Assert.All(ends, e => Assert.InRange(e.Cached, 256, e.Prompt));
        // Each looked up at most what the first did not have.
        Assert.InRange(other.Statistics!.TokensHit, 256, ends[0].Prompt);
    }

    [Fact]
    public async Task ContextThatIsFullEndsTheAnswer()
    {
        await using TextEngine engine = Engine(o => o);
        string text = Long(8000);
        int[] tokens = engine.Tokenizer.Encode(text)[..(engine.Context - 5)];
        AnswerEnd end = await engine.Submit(Asking.Request(engine, tokens, 100), default).End;
        Assert.Equal((ChatFinishReason.Length, 6), (end.Finish, end.Written));
        Assert.Throws<PromptTooLongException>(() => engine.Submit(Asking.Request(engine, [.. tokens, .. tokens[..5]], 100), default));
    }

    [Fact]
    public async Task WhoeverIsThereAtTheEndIsToldSo()
    {
        TextEngine engine = Engine(o => o with { Running = 1 });
        Answer running = engine.Ask("In the beginning", 8000), waiting = engine.Ask("And God said", 3);
        await running.Pieces.WaitToReadAsync();
        await engine.DisposeAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.End);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.End);
        Assert.Throws<ObjectDisposedException>(() => engine.Ask("And God said", 3));
    }

    [Fact]
    public async Task RequestThatFailsHarmsNobody()
    {
        await using TextEngine engine = Engine(o => o);
        Answer good = engine.Ask("In the beginning", 30);
        Answer bad = engine.Submit(Asking.Request(engine, engine.Tokenizer.Encode("And God"), 30) with { Sampling = new SamplerOptions { LogitBias = new Dictionary<int, float> { [1 << 29] = 1 } } }, default);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => bad.End);
        Assert.Equal(30, (await good.End).Written);
    }

    private static string[] Words => "Adam Noah Abram Isaac Jacob Moses Aaron Joshua David Solomon Elijah Job".Split(' ');

    private static string Long(int words) => Asking.Long(words);

    private TextEngine Engine(Func<KvantChatOptions, KvantChatOptions> change) => Asking.Engine(_folder, change);
}
