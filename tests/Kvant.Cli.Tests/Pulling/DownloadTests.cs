using System.Security.Cryptography;
using Kvant.Cli.Pulling;

namespace Kvant.Cli.Tests.Pulling;

/// <summary>A file appears whole and right or not at all, whatever the server does.</summary>
public sealed class DownloadTests : IDisposable
{
    private static readonly byte[] s_file = Content(300_000, seed: 1);
    private static readonly string s_sha256 = Convert.ToHexStringLower(SHA256.HashData(s_file));

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AFileComes()
    {
        using var server = new LoopbackServer(r => LoopbackServer.File(r, s_file));
        List<(long, long?)> progress = [];
        PulledFile pulled = await Pull(server, progress: (bytes, of) => progress.Add((bytes, of)));
        Assert.Equal(new PulledFile(_folder["model.gguf"], s_file.Length, s_sha256, false, true), pulled);
        RequireWhole();
        Assert.Equal((0, s_file.Length), progress[0]);
        Assert.Equal((s_file.Length, s_file.Length), progress[^1]);
        // What is there is not asked for again.
        Assert.Equal(pulled with { Sha256 = null, IsNew = false }, await Pull(server));
        Assert.Equal(pulled with { IsChecked = true, IsNew = false }, await Pull(server, s_sha256));
        Assert.Single(server.Requests);
        Assert.Contains("is there and has the SHA-256", await Refusal(server, new string('0', 64)), StringComparison.Ordinal);
        RequireWhole();
    }

    // Each connection gives 70,000 bytes and ends.
    [Theory]
    [InlineData("\"one\"")]
    [InlineData(null)] // the server says by which SHA-256 it knows the file, and no tag
    public async Task ABrokenConnectionIsTakenUpAgain(string? tag)
    {
        using var server = new LoopbackServer(r => LoopbackServer.File(r, s_file, tag, sends: 70_000, heads: tag is null ? $"X-Linked-ETag: \"{s_sha256}\"\r\n" : ""));
        Assert.Equal(tag is null, (await Pull(server)).IsChecked);
        RequireWhole();
        Assert.Equal([0, 70_000, 140_000, 210_000, 280_000], server.Requests.Select(r => r.From).Where((from, i) => i == 0 || from > 0));
        Assert.All(server.Requests, r => Assert.Equal(r.From > 0 ? tag : null, r.IfRange));
    }

    [Fact]
    public async Task AServerThatKnowsNoRangesSendsAllOfItAgain()
    {
        int asked = 0;
        using var server = new LoopbackServer(r => LoopbackServer.File(r with { Heads = [] }, s_file, sends: ++asked < 3 ? 100_000 : null));
        await Pull(server);
        RequireWhole();
    }

    [Fact]
    public async Task AFileThatChangedMeanwhileBeginsAnew()
    {
        byte[] earlier = Content(300_000, seed: 2);
        using (var server = new LoopbackServer(r => LoopbackServer.File(r, earlier, "\"earlier\"", sends: 100_000)))
            await Refusal(server, patience: 1);
        Assert.Single(Parts());
        using (var server = new LoopbackServer(r => LoopbackServer.File(r, s_file, "\"now\"")))
            await Pull(server);
        RequireWhole();
    }

    // The file changes between the question what it is and the one for the rest.
    [Fact]
    public async Task AFileThatChangesInBetweenBeginsAnew()
    {
        byte[] earlier = Content(300_000, seed: 2);
        int asked = 0;
        using var server = new LoopbackServer(r => ++asked <= 2 ? LoopbackServer.File(r, earlier, "\"earlier\"", sends: 100_000) : LoopbackServer.File(r, s_file, "\"now\""));
        await Pull(server);
        RequireWhole();
    }

    [Fact]
    public async Task AServerThatGivesUpLeavesAPartForTheNextPull()
    {
        using (var server = new LoopbackServer(r => r.From == 0 ? LoopbackServer.File(r, s_file, sends: 123_456) : new("503 Service Unavailable")))
        {
            string refusal = await Refusal(server);
            Assert.Contains("cannot answer now (503 Service Unavailable)", refusal, StringComparison.Ordinal);
            Assert.Contains($"pull again to go on: 123456 of {s_file.Length} bytes are in", refusal, StringComparison.Ordinal);
        }

        Assert.Equal(123_456, new FileInfo(Assert.Single(Parts())).Length);
        using (var server = new LoopbackServer(r => LoopbackServer.File(r, s_file)))
        {
            await Pull(server);
            Assert.Equal([0, 123_456], server.Requests.Select(r => r.From));
        }

        RequireWhole();
    }

    [Fact]
    public async Task WrongBytesAreNotKept()
    {
        byte[] wrong = [.. s_file];
        wrong[200_000] ^= 1;
        using var server = new LoopbackServer(r => LoopbackServer.File(r, wrong, heads: $"X-Linked-ETag: \"{s_sha256}\"\r\n"));
        Assert.Contains($"wanted is {s_sha256}; nothing was kept", await Refusal(server), StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
        using var plain = new LoopbackServer(r => LoopbackServer.File(r, wrong));
        Assert.Contains($"wanted is {s_sha256}; nothing was kept", await Refusal(plain, s_sha256), StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public async Task AServerThatSaysAnotherHashIsRefusedBeforeAByteIsKept()
    {
        using var server = new LoopbackServer(r => LoopbackServer.File(r, s_file, heads: $"X-Linked-ETag: \"{s_sha256}\"\r\n"));
        Assert.Contains("nothing was pulled", await Refusal(server, new string('a', 64)), StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public async Task LiesAboutSizesAreRefused()
    {
        using var other = new LoopbackServer(r => LoopbackServer.File(r, s_file, heads: "X-Linked-Size: 12\r\n"));
        Assert.Contains($"has 12 bytes, and sends one of {s_file.Length}", await Refusal(other), StringComparison.Ordinal);
        // Without a length of its own: more comes than was said, then less.
        using var more = new LoopbackServer(_ => new("200 OK", "X-Linked-Size: 1000\r\n", s_file));
        Assert.Contains("more than the 1000 bytes", await Refusal(more), StringComparison.Ordinal);
        using var less = new LoopbackServer(_ => new("200 OK", "X-Linked-Size: 400000\r\n", s_file));
        Assert.Contains($"broke off at {s_file.Length} of 400000 bytes", await Refusal(less), StringComparison.Ordinal);
        Assert.DoesNotContain("model.gguf", _folder.Names);
        // A size that no disk has is refused before anything is written.
        using var huge = new LoopbackServer(_ => new("200 OK", $"Content-Length: {long.MaxValue}\r\nETag: \"huge\"\r\n", s_file));
        Assert.Contains($"{long.MaxValue} bytes are to come", await Refusal(huge), StringComparison.Ordinal);
    }

    [Fact]
    public async Task APageIsNoModel()
    {
        using var server = new LoopbackServer(r => LoopbackServer.File(r, "<!doctype html><p>Log in"u8.ToArray()));
        Assert.Contains("no GGUF file: it begins with '<!do'", await Refusal(server), StringComparison.Ordinal);
        using var nothing = new LoopbackServer(r => LoopbackServer.File(r, []));
        Assert.Contains("no GGUF file", await Refusal(nothing), StringComparison.Ordinal);
        Assert.Empty(_folder.Names);
    }

    [Theory]
    [InlineData("404 Not Found", "has no such file (404 Not Found)")]
    [InlineData("401 Unauthorized", "HF_TOKEN")]
    [InlineData("403 Forbidden", "HF_TOKEN")]
    [InlineData("418 I'm a teapot", "refuses (418 I'm a teapot)")]
    [InlineData("302 Found", "refuses (302 Found)")] // without saying where
    public async Task ARefusalIsFinal(string status, string words)
    {
        using var server = new LoopbackServer(_ => new(status));
        Assert.Contains(words, await Refusal(server), StringComparison.Ordinal);
        Assert.Single(server.Requests);
        Assert.Empty(_folder.Names);
    }

    [Theory]
    [InlineData("500 Internal Server Error")]
    [InlineData("429 Too Many Requests")]
    public async Task AServerThatCannotNowIsAskedAgain(string status)
    {
        int asked = 0;
        using var server = new LoopbackServer(r => ++asked < 3 ? new(status) : LoopbackServer.File(r, s_file));
        await Pull(server);
        RequireWhole();
        using var never = new LoopbackServer(_ => new(status));
        File.Delete(_folder["model.gguf"]);
        Assert.Contains(status, await Refusal(never), StringComparison.Ordinal);
        Assert.Equal(3, never.Requests.Count);
    }

    // The token goes to the endpoint alone, and what it says of the file holds for what another host sends.
    [Fact]
    public async Task RedirectionsAreFollowed()
    {
        using var storage = new LoopbackServer(r => LoopbackServer.File(r, s_file, "\"storage\""));
        string elsewhere = $"http://localhost:{storage.Address.Port}/blob";
        using var server = new LoopbackServer(r => r.Path == "/model.gguf"
            ? new("302 Found", $"Location: /moved\r\nX-Linked-ETag: \"{s_sha256}\"\r\nX-Linked-Size: {s_file.Length}\r\nContent-Length: 0\r\n")
            : new("307 Temporary Redirect", $"Location: {elsewhere}\r\nContent-Length: 0\r\n"));
        Assert.True((await Pull(server)).IsChecked);
        RequireWhole();
        Assert.All(server.Requests, r => Assert.Equal("Bearer secret", r.Heads["Authorization"]));
        Assert.DoesNotContain("Authorization", Assert.Single(storage.Requests).Heads.Keys);
        File.Delete(_folder["model.gguf"]);
        using var circle = new LoopbackServer(_ => new("302 Found", "Location: /model.gguf\r\nContent-Length: 0\r\n"));
        Assert.Contains("more than 10 times", await Refusal(circle), StringComparison.Ordinal);
        using var away = new LoopbackServer(_ => new("302 Found", "Location: file:///etc/passwd\r\nContent-Length: 0\r\n"));
        Assert.Contains("no https address", await Refusal(away), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ASilentServerIsLeft()
    {
        var end = new TaskCompletionSource();
        using var server = new LoopbackServer(r => LoopbackServer.File(r, s_file, sends: r.From > 0 ? 0 : 1000) with { Waits = end.Task });
        Assert.Contains("no byte came", await Refusal(server, silence: TimeSpan.FromMilliseconds(200)), StringComparison.Ordinal);
        end.SetResult();
    }

    [Fact]
    public async Task AnInterruptedPullGoesOn()
    {
        using var stop = new CancellationTokenSource();
        var end = new TaskCompletionSource();
        using (var server = new LoopbackServer(r => LoopbackServer.File(r, s_file, sends: 150_000) with { Waits = end.Task }))
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Pull(server, progress: (bytes, _) => { if (bytes == 150_000) stop.Cancel(); }, cancellation: stop.Token));
            end.SetResult();
        }

        using (var server = new LoopbackServer(r => LoopbackServer.File(r, s_file)))
        {
            await Pull(server);
            Assert.Equal([0, 150_000], server.Requests.Select(r => r.From));
        }

        RequireWhole();
    }

    [Fact]
    public async Task TwoPullsAtOnceDoNotSpoilEachOther()
    {
        var end = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        using var server = new LoopbackServer(r => LoopbackServer.File(r, s_file, sends: r.From > 0 ? null : 100_000) with { Waits = r.From > 0 ? null : end.Task, Sent = begun.SetResult });
        Task<PulledFile> first = Pull(server);
        await begun.Task;
        Assert.Contains("is being pulled by another process", await Refusal(server), StringComparison.Ordinal);
        begun = new TaskCompletionSource();
        end.SetResult();
        await first;
        RequireWhole();
    }

    [Fact]
    public async Task AFullDiskIsSaidAndThePartStays()
    {
        using var server = new LoopbackServer(r => LoopbackServer.File(r, s_file));
        Assert.Contains($"{s_file.Length} bytes are to come, 1000 are free in", await Refusal(server, free: 1000), StringComparison.Ordinal);
        string refusal = await Refusal(server, disk: stream => new FullDisk(stream, 140_000));
        Assert.Contains("the disk is full; make room, and pull again to go on: ", refusal, StringComparison.Ordinal);
        long kept = new FileInfo(Assert.Single(Parts())).Length;
        Assert.InRange(kept, 1, 140_000);
        await Pull(server);
        Assert.Equal(kept, server.Requests.Last().From);
        RequireWhole();
    }

    private static byte[] Content(int length, int seed)
    {
        byte[] content = new byte[length];
        new Random(seed).NextBytes(content);
        "GGUF"u8.CopyTo(content);
        return content;
    }

    private string[] Parts() => [.. _folder.Names.Where(n => n.EndsWith(".part", StringComparison.Ordinal)).Select(n => _folder[n])];

    private void RequireWhole()
    {
        Assert.Equal(["model.gguf"], _folder.Names);
        Assert.Equal(s_sha256, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(_folder["model.gguf"]))));
    }

    private async Task<string> Refusal(LoopbackServer server, string? sha256 = null, int patience = 3, TimeSpan? silence = null, long? free = null, Func<Stream, Stream>? disk = null) =>
        (await Assert.ThrowsAsync<PullException>(() => Pull(server, sha256, patience: patience, silence: silence, free: free, disk: disk))).Message;

    private async Task<PulledFile> Pull(
        LoopbackServer server, string? sha256 = null, Action<long, long?>? progress = null, int patience = 3, TimeSpan? silence = null, long? free = null, Func<Stream, Stream>? disk = null, CancellationToken? cancellation = null)
    {
        using var models = new ModelServer(server.Address, "secret");
        var download = new Download(models) { Patience = patience, Pause = TimeSpan.FromMilliseconds(1), Silence = silence ?? TimeSpan.FromSeconds(30), FreeBytes = _ => free ?? 1L << 40, Disk = disk ?? (stream => stream) };
        return await download.RunAsync(new Uri(server.Address, "model.gguf"), _folder["model.gguf"], sha256, progress ?? ((_, _) => { }), cancellation ?? TestContext.Current.CancellationToken);
    }

    // Takes so many bytes.
    private sealed class FullDisk(Stream stream, long room) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => stream.Length;

        public override long Position { get => stream.Position; set => throw new NotSupportedException(); }

        public override void Write(byte[] buffer, int offset, int count)
        {
            if (stream.Position + count > room)
                throw new IOException("no space left on device", 28);
            stream.Write(buffer, offset, count);
        }

        public override void Flush() => stream.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
