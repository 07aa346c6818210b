using Kvant.Caching;
using Kvant.Chat.Scheduling;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Kvant.Serving;

/// <summary>Lets a request in that has a key, and says what is wrong where something is.</summary>
internal static partial class Door
{
    /// <summary>Answers one request.</summary>
    /// <param name="http">The request.</param>
    /// <param name="model">Who answers.</param>
    /// <param name="handler">What is done, for which tenant.</param>
    public static async Task EnterAsync(HttpContext http, ServedModel model, Func<HttpContext, ServedModel, string, Task> handler)
    {
        try
        {
            string tenant = model.Keys.TenantOf(http.Request.Headers.Authorization) ?? throw ApiError.WrongKey();
            await handler(http, model, tenant).ConfigureAwait(false);
        }
        catch (Exception) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody listens.
        }
        catch (Exception e) when (!http.Response.HasStarted)
        {
            http.Response.Clear();
            await ErrorOf(e, model.Logger).WriteAsync(http).ConfigureAwait(false);
        }
    }

    /// <summary>Which refusal an exception is; what is a fault of the server's is logged.</summary>
    public static ApiError ErrorOf(Exception e, ILogger logger)
    {
        if (Known(e) is { } known)
            return known;
        LogFault(logger, e);
        return ApiError.Fault($"The server failed: {e.GetType().Name}.");
    }

    private static ApiError? Known(Exception e) => e switch
    {
        ApiError error => error,
        QueueFullException => ApiError.Busy(e.Message),
        CacheFullException => ApiError.Wrong(null, $"The request needs more memory than the server may take. {e.Message}", "context_length_exceeded"),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => ApiError.TooLarge(0),
        BadHttpRequestException bad => new ApiError(bad.StatusCode, bad.Message, "invalid_request_error", null, null),
        ObjectDisposedException or OperationCanceledException => ApiError.Ending(),
        _ => null,
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed")]
    private static partial void LogFault(ILogger logger, Exception fault);
}
