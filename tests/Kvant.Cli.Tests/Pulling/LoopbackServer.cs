using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Kvant.Cli.Tests.Pulling;

/// <summary>A server on this machine that says what a test wants, also what no honest server would: heads and bytes go out as they are given, and the connection ends behind them.</summary>
internal sealed class LoopbackServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<Request, Answer> _answer;

    public LoopbackServer(Func<Request, Answer> answer)
    {
        _answer = answer;
        _listener.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");
        _ = AcceptAsync();
    }

    public Uri Address { get; }

    /// <summary>What was asked for, in order.</summary>
    public ConcurrentQueue<Request> Requests { get; } = new();

    /// <summary>A file as an honest server gives it: with a tag, from where it is asked for.</summary>
    public static Answer File(Request request, byte[] content, string? tag = "\"one\"", int? sends = null, string heads = "")
    {
        bool part = request.From > 0 && (request.IfRange is null || request.IfRange == tag);
        int from = part ? (int)request.From : 0;
        string range = part ? $"Content-Range: bytes {from}-{content.Length - 1}/{content.Length}\r\n" : "";
        byte[] body = content[from..][..Math.Min(sends ?? int.MaxValue, content.Length - from)];
        return new Answer(part ? "206 Partial Content" : "200 OK", $"Content-Length: {content.Length - from}\r\n{range}{(tag is null ? "" : $"ETag: {tag}\r\n")}{heads}", body);
    }

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end of the test.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                NetworkStream stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.Latin1, leaveOpen: true);
                string line = await reader.ReadLineAsync() ?? "";
                var heads = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
                for (string? head; (head = await reader.ReadLineAsync()) is { Length: > 0 };)
                    heads[head[..head.IndexOf(':')]] = head[(head.IndexOf(':') + 1)..].Trim();
                var request = new Request(line.Split(' ')[1], heads);
                Requests.Enqueue(request);
                Answer answer = _answer(request);
                await stream.WriteAsync(Encoding.Latin1.GetBytes($"HTTP/1.1 {answer.Status}\r\n{answer.Heads}Connection: close\r\n\r\n"));
                await stream.WriteAsync(answer.Body);
                answer.Sent?.Invoke();
                if (answer.Waits is { } waits)
                    await waits;
            }
            catch (IOException)
            {
                // The other side has seen enough.
            }
        }
    }

    internal sealed record Request(string Path, Dictionary<string, string> Heads)
    {
        public long From => Heads.TryGetValue("Range", out string? range) ? long.Parse(range.Split('=')[1].TrimEnd('-')) : 0;

        public string? IfRange => Heads.GetValueOrDefault("If-Range");
    }

    internal sealed record Answer(string Status, string Heads = "Content-Length: 0\r\n", byte[]? Bytes = null)
    {
        public byte[] Body => Bytes ?? [];

        /// <summary>The connection stays open, and silent, until this ends.</summary>
        public Task? Waits { get; init; }

        public Action? Sent { get; init; }
    }
}
