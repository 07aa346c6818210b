using Kvant.Chat.Scheduling;
using Kvant.Conversations.Stores;
using Kvant.Tests.Formats;
using Microsoft.Extensions.Logging;

namespace Kvant.Chat.Tests.Scheduling;

/// <summary>A fault of ours: somebody hears of it, it ends those that it may have harmed, and not the server.</summary>
public sealed class FaultTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task FaultOfARoundIsLoggedAndEndsTheRequestThatHasIt()
    {
        string path = _folder.File("model.gguf");
        ChatModel.Write(path);
        Heard heard = new();
        await using TextEngine engine = new(new() { Model = path, Threads = 1, Store = new MemoryChunkStore(1 << 20) }, needsTemplate: false, heard);
        Answer running = engine.Ask("In the beginning", 8000);
        await running.Pieces.WaitToReadAsync();
        Answer faulty = engine.Submit(Asking.Request(engine, engine.Tokenizer.Encode(Asking.Long(400)), 3) with { Tenant = null! }, default);
        await Assert.ThrowsAsync<ArgumentNullException>(() => faulty.End.WaitAsync(TimeSpan.FromSeconds(30)));
        await Assert.ThrowsAsync<ArgumentNullException>(() => running.End.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(5, (await engine.Ask("And God said", 5).End).Written);
        Assert.IsType<ArgumentNullException>(Assert.Single(heard.Errors));
    }

    [Fact]
    public async Task FaultOfOneAnswerIsLogged()
    {
        string path = _folder.File("model.gguf");
        ChatModel.Write(path);
        Heard heard = new();
        await using TextEngine engine = new(new() { Model = path, Threads = 1 }, needsTemplate: false, heard);
        Answer bad = engine.Submit(Asking.Request(engine, engine.Tokenizer.Encode("And God"), 30) with { Sampling = new() { TopK = -1 } }, default);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => bad.End);
        Assert.IsType<ArgumentOutOfRangeException>(Assert.Single(heard.Errors));
    }

    private sealed class Heard : ILogger
    {
        public List<Exception?> Errors { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.Error)
                Errors.Add(exception);
        }
    }
}
