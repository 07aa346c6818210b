using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Kvant.Serving.Wire;

/// <summary>The body of a request, as long as it may be.</summary>
internal static class RequestBytes
{
    private const int FirstBytes = 4096;

    /// <summary>Reads it.</summary>
    /// <exception cref="ApiError">It is no JSON by its own account, or longer than is taken.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext http, long most)
    {
        // Pages of strangers cannot send this type without asking first, which nobody answers.
        if (!http.Request.HasJsonContentType())
            throw ApiError.NotJson();
        if (http.Request.ContentLength > most)
            throw ApiError.TooLarge(most);
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
            limit.MaxRequestBodySize = null; // counted here
        byte[] bytes = new byte[http.Request.ContentLength + 1 ?? FirstBytes];
        int length = 0;
        while (await http.Request.Body.ReadAsync(bytes.AsMemory(length), http.RequestAborted).ConfigureAwait(false) is > 0 and int count)
        {
            length += count;
            if (length > most)
                throw ApiError.TooLarge(most);
            if (length == bytes.Length)
                Array.Resize(ref bytes, (int)Math.Min(bytes.Length * 2L, most + 1));
        }

        return bytes.AsMemory(0, length);
    }
}
