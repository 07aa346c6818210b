using System.Diagnostics.Metrics;
using Kvant.Caching;
using Kvant.Chat.Scheduling;
using Kvant.Conversations.Stores;
using Kvant.Tests.Formats;
using Microsoft.Extensions.AI;

namespace Kvant.Chat.Tests.Scheduling;

/// <summary>A pool with too little room: nobody's text is another one than with enough of it.</summary>
public sealed class ShortMemoryTests : IDisposable
{
    private const int Tokens = 400;

    private readonly TemporaryFolder _folder = new();
    private readonly string[] _questions = [.. "Adam Noah Abram Isaac Jacob Moses".Split(' ').Select(w => $"And {w} said unto him, ")];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("balanced")]
    [InlineData("tiny")]
    public async Task SequencesThatWerePutAwayGoOnWithTheSameText(string policy)
    {
        (string[] wanted, long one) = await AloneAsync(policy);
        using var pool = new PagePool(one * 5 / 2);
        using Counts counts = new();
        await using (TextEngine engine = Asking.Engine(_folder, o => o with { Policy = policy, Pool = pool, Folder = _folder.Root }))
        {
            AnswerEnd[] ends = await Task.WhenAll(_questions.Select(q => engine.Ask(q, Tokens).End));
            Assert.Equal(wanted, ends.Select(e => e.Text));
            Assert.All(ends, e => Assert.Equal(Tokens, e.Written));
        }

        Assert.True(counts.PutAway > 0, $"{counts.PutAway} were put away");
        Assert.Equal(0, pool.UsedBytes);
        Assert.Empty(Directory.GetFiles(_folder.Root, "*.frozen"));
    }

    // With a floor nobody is forgotten as long as old tokens can take less.
    [Theory]
    [InlineData(null)]
    [InlineData("tiny")]
    public async Task OldTokensTakeLessBeforeAnybodyIsForgotten(string? floor)
    {
        string[] prompts = [.. _questions.Select(question => question + Asking.Long(600))];
        using PagePool free = new();
        await using (TextEngine engine = Engine(free))
            await engine.Ask(prompts[0], 30).End;
        using PagePool pool = new(free.AllocatedBytes * 9 / 2);
        await using TextEngine little = Engine(pool);
        foreach (string prompt in prompts)
            Assert.Equal(30, (await little.Ask(prompt, 30).End).Written);
        Assert.InRange(pool.AllocatedBytes, free.AllocatedBytes, pool.MemoryLimit);
        Assert.Equal(floor is not null, (await little.Ask(prompts[0], 8).End).Cached > 0);

        TextEngine Engine(PagePool pool) => Asking.Engine(_folder, o => o with { Policy = "quality", Window = 16, Sinks = 4, Pool = pool, Floor = floor, Caches = 8 });
    }

    [Fact]
    public async Task SequencesThatWerePutAwayAreStillStored()
    {
        (string[] wanted, long one) = await AloneAsync("balanced");
        using var pool = new PagePool(one * 5 / 2);
        var store = new DiskChunkStore(_folder.File("store"));
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Pool = pool, Store = store });
        Assert.Equal(wanted, (await Task.WhenAll(_questions.Select(q => engine.Ask(q, Tokens).End))).Select(e => e.Text));
        await engine.FlushAsync(default);
        await using TextEngine other = Asking.Engine(_folder, o => o with { Store = store });
        for (int i = 0; i < wanted.Length; i++)
            Assert.InRange((await other.Ask(_questions[i] + wanted[i] + " Amen", 1).End).Cached, 256, Tokens + 20);
    }

    [Fact]
    public async Task RequestsWaitForRoomAndNoneIsLost()
    {
        string[] prompts = [.. Enumerable.Range(0, 6).Select(i => $"{i} " + Asking.Long(600))];
        using var free = new PagePool();
        string[] wanted = new string[prompts.Length];
        await using (TextEngine engine = Asking.Engine(_folder, o => o with { Pool = free, Caches = 1 }))
        {
            for (int i = 0; i < prompts.Length; i++)
                wanted[i] = (await engine.Ask(prompts[i], 30).End).Text;
        }

        // For the prompts of two.
        using var pool = new PagePool(free.AllocatedBytes);
        await using TextEngine little = Asking.Engine(_folder, o => o with { Pool = pool });
        Assert.Equal(wanted, (await Task.WhenAll(prompts.Select(p => little.Ask(p, 30).End))).Select(e => e.Text));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(9)]
    public async Task SequencesThatShareAPromptFinishWhereOneHasHardlyRoom(int quarters)
    {
        // What they share is copied as they go on: each needs more than it takes at first, and whoever comes back shares nothing.
        string common = Asking.Long(300);
        using var free = new PagePool();
        await using (TextEngine engine = Asking.Engine(_folder, o => o with { Pool = free, Caches = 1 }))
            await engine.Ask(common, 60).End;
        using var pool = new PagePool(free.AllocatedBytes * quarters / 4);
        await using TextEngine little = Asking.Engine(_folder, o => o with { Pool = pool, Batch = 16 });
        Answer first = little.Ask(common, 200);
        await first.Pieces.WaitToReadAsync();
        AnswerEnd[] ends = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => little.Ask($"{common} {_questions[i % 6]} {i}", 20 + (i * 17 % 200)).End)).WaitAsync(TimeSpan.FromMinutes(2));
        // With room for one alone nothing can be shared.
        Assert.True(quarters < 8 || ends.Count(e => e.Cached > 100) >= 3, string.Join(' ', ends.Select(e => e.Cached)));
    }

    [Fact]
    public async Task WhatIsTooLargeForAllOfItIsRefusedOrCut()
    {
        (_, long one) = await AloneAsync("balanced");
        using var pool = new PagePool(one);
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Pool = pool });
        await Assert.ThrowsAsync<CacheFullException>(() => engine.Ask(Asking.Long(5000), 5).End);
        AnswerEnd end = await engine.Ask("In the beginning", 6000).End;
        Assert.Equal(ChatFinishReason.Length, end.Finish);
        Assert.InRange(end.Written, Tokens / 2, 5999);
        // And the next one has room again.
        Assert.Equal(5, (await engine.Ask("And God said", 5).End).Written);
    }

    [Fact]
    public async Task CancelledSequenceThatWasPutAwayLeavesNothing()
    {
        (_, long one) = await AloneAsync("balanced");
        using var pool = new PagePool(one * 3 / 2);
        using Counts counts = new();
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Pool = pool, Folder = _folder.Root });
        using CancellationTokenSource stop = new();
        Answer[] answers = [.. _questions.Select(q => engine.Ask(q, 8000, cancellation: stop.Token))];
        Assert.True(SpinWait.SpinUntil(() => counts.PutAway > 0, TimeSpan.FromMinutes(2)));
        await stop.CancelAsync();
        foreach (Answer answer in answers)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer.End);
        Assert.Empty(Directory.GetFiles(_folder.Root, "*.frozen"));
        Assert.Equal(5, (await engine.Ask("And God said", 5).End).Written);
    }

    [Fact]
    public async Task WhereNothingCanBePutAwayTheRequestFailsAndOthersGoOn()
    {
        (_, long one) = await AloneAsync("balanced");
        using var pool = new PagePool(one * 3 / 2);
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Pool = pool, Folder = _folder.File("none") });
        Answer[] answers = [.. _questions.Select(q => engine.Ask(q, Tokens))];
        await Task.WhenAny(Task.WhenAll(answers.Select(a => a.End)));
        Assert.Contains(answers, a => a.End.IsCompletedSuccessfully);
        Assert.Contains(answers, a => a.End.Exception?.InnerException is IOException);
    }

    // What each says alone, and the memory that one takes.
    private async Task<(string[] Texts, long Bytes)> AloneAsync(string policy)
    {
        using var pool = new PagePool();
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Policy = policy, Pool = pool, Caches = 1 });
        string[] texts = new string[_questions.Length];
        long bytes = 0;
        for (int i = 0; i < texts.Length; i++)
        {
            texts[i] = (await engine.Ask(_questions[i], Tokens).End).Text;
            bytes = Math.Max(bytes, pool.UsedBytes);
        }

        return (texts, bytes);
    }

    private sealed class Counts : IDisposable
    {
        private readonly MeterListener _listener = new();
        private long _putAway;

        public Counts()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "kvant.chat.put_away")
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, count, _, _) => Interlocked.Add(ref _putAway, count));
            _listener.Start();
        }

        public long PutAway => Volatile.Read(ref _putAway);

        public void Dispose() => _listener.Dispose();
    }
}
