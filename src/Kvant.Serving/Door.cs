using Kvant.Caching;
using Kvant.Chat.Scheduling;
using Microsoft.AspNetCore.Http;

namespace Kvant.Serving;

/// <summary>Lets a request in that has a key, and says what is wrong where something is.</summary>
internal static class Door
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
            await ErrorOf(e).WriteAsync(http).ConfigureAwait(false);
        }
    }

    /// <summary>Which refusal an exception is.</summary>
    public static ApiError ErrorOf(Exception e) => e switch
    {
        ApiError error => error,
        QueueFullException => ApiError.Busy(e.Message),
        CacheFullException => ApiError.Wrong(null, $"The request needs more memory than the server may take. {e.Message}", "context_length_exceeded"),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => ApiError.TooLarge(0),
        BadHttpRequestException bad => new ApiError(bad.StatusCode, bad.Message, "invalid_request_error", null, null),
        ObjectDisposedException or OperationCanceledException => ApiError.Ending(),
        _ => ApiError.Fault($"The server failed: {e.GetType().Name}."),
    };
}
