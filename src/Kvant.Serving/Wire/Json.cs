using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Kvant.Serving.Wire;

/// <summary>Bodies as JSON.</summary>
internal static class Json
{
    public const string ContentType = "application/json; charset=utf-8";

    // Text is text: only what JSON must escape is.
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes a value.</summary>
    public static byte[] Write(Action<Utf8JsonWriter> write)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes, s_options))
            write(json);
        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Answers a request with a value.</summary>
    public static async Task SendAsync(HttpContext http, Action<Utf8JsonWriter> write)
    {
        byte[] body = Write(write);
        http.Response.ContentType = ContentType;
        http.Response.ContentLength = body.Length;
        await http.Response.Body.WriteAsync(body, http.RequestAborted).ConfigureAwait(false);
    }
}
