using Kvant.Caching;
using Kvant.Chat.Scheduling;
using Kvant.Tests.Formats;

namespace Kvant.Chat.Tests.Scheduling;

/// <summary>What one tenant says takes nothing of another's that lies idle.</summary>
public sealed class TenantMemoryTests : IDisposable
{
    private static readonly string s_prompt = Asking.Long(900);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task ManyConversationsOfOneTenantPushOutTheirOwn()
    {
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Caches = 1 });
        await engine.Ask(s_prompt, 3, tenant: "quiet").End;
        for (int i = 0; i < 3; i++)
            await engine.Ask($"{i} In the beginning", 3, tenant: "loud").End;
        await AssertKeptAsync(engine);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task TenantWhoTakesMoreThanItsPartMakesRoomItself(bool atOnce)
    {
        using PagePool pool = new(await OneAsync() * 7 / 2);
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Pool = pool, Caches = 100, Folder = _folder.Root });
        await engine.Ask(s_prompt, 3, tenant: "quiet").End;
        Task<AnswerEnd>[] loud = new Task<AnswerEnd>[8];
        for (int i = 0; i < loud.Length; i++)
        {
            loud[i] = engine.Ask($"{i} {s_prompt}", 3, tenant: "loud").End;
            if (!atOnce)
                await loud[i];
        }

        Assert.All(await Task.WhenAll(loud), end => Assert.Equal(3, end.Written));
        await AssertKeptAsync(engine);
    }

    [Fact]
    public async Task TenantWhoHasLessThanItsPartTakesItFromThoseWhoHaveMore()
    {
        using PagePool pool = new(await OneAsync() * 7 / 2);
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Pool = pool, Caches = 100 });
        for (int i = 0; i < 3; i++)
            await engine.Ask($"{i} {s_prompt}", 3, tenant: "loud").End;
        Assert.Equal(3, (await engine.Ask(s_prompt, 3, tenant: "quiet").End).Written);
        await AssertKeptAsync(engine);
        Assert.Equal(0, (await engine.Ask($"0 {s_prompt}", 3, tenant: "loud").End).Cached);
    }

    [Fact]
    public async Task RequestThatHasNoOtherWayTakesWhatLiesIdle()
    {
        using PagePool pool = new(await OneAsync() * 5 / 4);
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Pool = pool });
        await engine.Ask(s_prompt[..(s_prompt.Length / 2)], 3, tenant: "quiet").End;
        Assert.Equal(3, (await engine.Ask(s_prompt, 3, tenant: "loud").End).Written);
    }

    private static async Task AssertKeptAsync(TextEngine engine)
    {
        AnswerEnd again = await engine.Ask(s_prompt, 3, tenant: "quiet").End;
        Assert.Equal(again.Prompt - 1, again.Cached);
    }

    // What one conversation takes.
    private async Task<long> OneAsync()
    {
        using PagePool pool = new();
        await using TextEngine engine = Asking.Engine(_folder, o => o with { Pool = pool });
        await engine.Ask(s_prompt, 3).End;
        return pool.UsedBytes;
    }
}
