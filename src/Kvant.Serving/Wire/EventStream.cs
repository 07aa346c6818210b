using System.Buffers;
using Kvant.Chat.Scheduling;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kvant.Serving.Wire;

/// <summary>An answer as server-sent events: a line for each piece, in the order in which they come, then <c>[DONE]</c>.</summary>
internal static class EventStream
{
    /// <summary>Sends it. Nothing is sent before there is a first piece, so that what fails till then has a status of its own.</summary>
    public static async Task SendAsync(HttpContext http, Answer answer, BodyWriter bodies, bool includeUsage, ILogger logger)
    {
        if (!await answer.Pieces.WaitToReadAsync(http.RequestAborted).ConfigureAwait(false))
            await answer.End.ConfigureAwait(false);
        http.Response.ContentType = "text/event-stream; charset=utf-8";
        http.Response.Headers.CacheControl = "no-cache";
        http.Response.Headers["X-Accel-Buffering"] = "no"; // a proxy that buffers would undo the streaming
        if (bodies.HasFirst)
            Event(http, Json.Write(json => bodies.First(json, includeUsage)));
        try
        {
            await foreach (string piece in answer.Pieces.ReadAllAsync(http.RequestAborted).ConfigureAwait(false))
            {
                Event(http, Json.Write(json => bodies.Piece(json, piece, includeUsage)));
                await http.Response.BodyWriter.FlushAsync(http.RequestAborted).ConfigureAwait(false);
            }

            AnswerEnd end = await answer.End.ConfigureAwait(false);
            Event(http, Json.Write(json => bodies.Last(json, end, includeUsage)));
            if (includeUsage)
                Event(http, Json.Write(json => bodies.UsageAlone(json, end)));
            Event(http, "[DONE]"u8);
        }
        catch (Exception e) when (!http.RequestAborted.IsCancellationRequested)
        {
            // The status is sent; the reader is told in the stream, which ends without its last word.
            Event(http, Door.ErrorOf(e, logger).Body());
        }

        await http.Response.BodyWriter.FlushAsync(http.RequestAborted).ConfigureAwait(false);
    }

    private static void Event(HttpContext http, ReadOnlySpan<byte> data)
    {
        IBufferWriter<byte> body = http.Response.BodyWriter;
        body.Write("data: "u8);
        body.Write(data);
        body.Write("\n\n"u8);
    }
}
