using System.Globalization;
using Kvant.Serving.Wire;
using Microsoft.AspNetCore.Http;

namespace Kvant.Serving;

/// <summary>A refusal in the words of the protocol.</summary>
/// <param name="status">The status of HTTP.</param>
/// <param name="message">What is wrong: found and wanted.</param>
/// <param name="type">The kind of error.</param>
/// <param name="param">The field that is wrong; null for none.</param>
/// <param name="code">A word for programs; null for none.</param>
internal sealed class ApiError(int status, string message, string type, string? param, string? code) : Exception(message)
{
    private const string Invalid = "invalid_request_error";

    /// <summary>Seconds after which it is worth asking again; null where it is not.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>A field that is wrong.</summary>
    public static ApiError Wrong(string? param, string message, string? code = null) => new(StatusCodes.Status400BadRequest, message, Invalid, param, code);

    /// <summary>A field that is right, and that this server does not know.</summary>
    public static ApiError Unsupported(string param, string message) => Wrong(param, message, "unsupported_parameter");

    public static ApiError NotFound(string message, string? param, string code) => new(StatusCodes.Status404NotFound, message, Invalid, param, code);

    public static ApiError WrongKey() => new(StatusCodes.Status401Unauthorized, "A key is wanted that this server knows: 'Authorization: Bearer KEY'.", Invalid, null, "invalid_api_key");

    public static ApiError TooLarge(long most) => new(StatusCodes.Status413PayloadTooLarge, string.Create(CultureInfo.InvariantCulture, $"The request is longer than {most} bytes, the most that are taken."), Invalid, null, "request_too_large");

    public static ApiError NotJson() => new(StatusCodes.Status415UnsupportedMediaType, "The request's content type is not application/json.", Invalid, null, "unsupported_content_type");

    public static ApiError Busy(string message) => new(StatusCodes.Status429TooManyRequests, message, "rate_limit_error", null, "queue_full") { RetryAfter = 1 };

    public static ApiError Ending() => new(StatusCodes.Status503ServiceUnavailable, "The server is about to end.", "server_error", null, "shutting_down") { RetryAfter = 5 };

    public static ApiError Fault(string message) => new(StatusCodes.Status500InternalServerError, message, "server_error", null, null);

    /// <summary>The body: <c>{"error": {...}}</c>.</summary>
    public byte[] Body() => Json.Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", Message);
        json.WriteString("type", type);
        json.WriteString("param", param);
        json.WriteString("code", code);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    /// <summary>Answers a request with it.</summary>
    public async Task WriteAsync(HttpContext http)
    {
        http.Response.StatusCode = status;
        if (RetryAfter is { } seconds)
            http.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        if (status == StatusCodes.Status401Unauthorized)
            http.Response.Headers.WWWAuthenticate = "Bearer";
        http.Response.ContentType = Json.ContentType;
        await http.Response.Body.WriteAsync(Body(), http.RequestAborted).ConfigureAwait(false);
    }
}
