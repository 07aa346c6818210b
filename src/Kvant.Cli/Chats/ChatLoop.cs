using System.Globalization;
using System.Text;
using Kvant.Caching;
using Kvant.Chat;
using Kvant.Cli.Output;
using Microsoft.Extensions.AI;

namespace Kvant.Cli.Chats;

/// <summary>Lines in, answers out, until the input ends.</summary>
/// <param name="client">The model.</param>
/// <param name="terminal">Where lines come from and answers go.</param>
/// <param name="json">Whether each answer is an object.</param>
/// <param name="system">What the model is told first; null for nothing.</param>
internal sealed class ChatLoop(KvantChatClient client, Terminal terminal, bool json, string? system)
{
    private readonly List<ChatMessage> _messages = [];
    private Answer? _last;
    private long _read;
    private long _cached;

    private static readonly Column<Answer>[] Columns =
    [
        Column<Answer>.OfText("text", "", a => a.Text),
        Column<Answer>.OfText("end", "", a => a.End),
        Column<Answer>.OfInteger("promptTokens", "tokens of the conversation", a => a.Prompt),
        Column<Answer>.OfInteger("cachedTokens", "of them cached", a => a.Cached),
        Column<Answer>.OfInteger("tokens", "tokens written", a => a.Written),
    ];

    /// <summary>Talks.</summary>
    public async Task RunAsync()
    {
        Begin([]);
        while (true)
        {
            Prompt();
            if (terminal.WaitFor(terminal.In.ReadLine) is not { } line)
                return;
            if (line.StartsWith('/'))
            {
                if (!await CommandAsync(line).ConfigureAwait(false))
                    return;
            }
            else if (line.Trim().Length > 0)
            {
                await AnswerAsync(line).ConfigureAwait(false);
            }
        }
    }

    private void Begin(IEnumerable<ChatMessage> messages)
    {
        _messages.Clear();
        _messages.AddRange(messages);
        if (system is not null && _messages.All(m => m.Role != ChatRole.System))
            _messages.Insert(0, new ChatMessage(ChatRole.System, system));
        _last = null;
    }

    private void Prompt()
    {
        if (!terminal.ErrorIsTerminal || json)
            return;
        terminal.Error.Write("> ");
        terminal.Error.Flush();
    }

    // False to end.
    private async Task<bool> CommandAsync(string line)
    {
        string[] words = line.Split(' ', 2, StringSplitOptions.TrimEntries);
        try
        {
            switch (words)
            {
                case ["/quit"]:
                    return false;
                case ["/new"]:
                    Begin([]);
                    break;
                case ["/stats"]:
                    await StatsAsync().ConfigureAwait(false);
                    break;
                case ["/save", { Length: > 0 } file]:
                    ChatFile.Save(file, _messages);
                    terminal.Error.WriteLine($"{_messages.Count} messages are in '{file}'");
                    break;
                case ["/load", { Length: > 0 } file]:
                    Begin(ChatFile.Load(file));
                    terminal.Error.WriteLine($"{_messages.Count} messages of '{file}'");
                    break;
                default:
                    terminal.Error.WriteLine("known are /save FILE, /load FILE, /stats, /new and /quit");
                    break;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            terminal.Error.WriteLine($"kvant: {Failures.Sentence(e)}");
        }

        return true;
    }

    private async Task AnswerAsync(string line)
    {
        _messages.Add(new ChatMessage(ChatRole.User, line));
        StringBuilder text = new();
        UsageDetails? usage = null;
        string end = "stopped";
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(terminal.Cancellation);
        // Ctrl-C is this answer's as long as it is written.
        using (Interrupt.Take(stop.Cancel))
        {
            try
            {
                await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(_messages, cancellationToken: stop.Token).ConfigureAwait(false))
                {
                    text.Append(update.Text);
                    if (!json)
                    {
                        terminal.Text.Write(update.Text);
                        terminal.Text.Flush();
                    }

                    usage = update.Contents.OfType<UsageContent>().SingleOrDefault()?.Details ?? usage;
                    end = update.FinishReason?.Value ?? end;
                }
            }
            catch (OperationCanceledException) when (!terminal.Cancellation.IsCancellationRequested)
            {
                // What was said till then is part of the conversation.
            }
            catch (Exception e) when (e is ArgumentException or InvalidDataException or InvalidOperationException or NotSupportedException or CacheFullException)
            {
                // The turn was refused, not the conversation: it goes on as if nothing had been said.
                _messages.RemoveAt(_messages.Count - 1);
                if (text.Length > 0 && !json)
                    terminal.Text.WriteLine();
                terminal.Error.WriteLine($"kvant: {Failures.Sentence(e)}");
                return;
            }
        }

        _messages.Add(new ChatMessage(ChatRole.Assistant, text.ToString()));
        _last = new(text.ToString(), end, usage?.InputTokenCount ?? 0, usage?.CachedInputTokenCount ?? 0, usage?.OutputTokenCount ?? 0);
        (_read, _cached) = (_read + _last.Prompt - _last.Cached, _cached + _last.Cached);
        if (json)
            Json.WriteRow(terminal, Columns, _last);
        else
            terminal.Text.WriteLine();
    }

    private async Task StatsAsync()
    {
        await client.FlushAsync(terminal.Cancellation).ConfigureAwait(false);
        if (_last is { } last)
            terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"last answer: {last.Prompt} tokens of conversation, {last.Cached} of them cached; {last.Written} written, {last.End}"));
        terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"so far: {_read} tokens read, {_cached} cached"));
        if (client.StoreStatistics is { } store)
            terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"store: {store.ChunksStored} chunks written ({store.BytesStored} bytes), {store.TokensHit} tokens restored, {store.ChunksDropped} chunks dropped"));
    }

    private sealed record Answer(string Text, string End, long Prompt, long Cached, long Written);
}
