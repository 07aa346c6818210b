using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Kvant.Cli.Pulling;

/// <summary>
/// A server of models that answers as Hugging Face does, or any server of files. Proxies are those of the environment (<c>HTTPS_PROXY</c>, <c>HTTP_PROXY</c>, <c>ALL_PROXY</c>, <c>NO_PROXY</c>). Redirections are followed
/// here, since the first answer has what is known of the file, and a token belongs to no other host.
/// </summary>
/// <param name="endpoint">Where repositories are.</param>
/// <param name="token">Says who asks; null for anybody.</param>
internal sealed class ModelServer(Uri endpoint, string? token) : IDisposable
{
    private const int MostRedirects = 10, MostListBytes = 32 << 20;

    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false, AutomaticDecompression = DecompressionMethods.None, ConnectTimeout = TimeSpan.FromSeconds(30) })
    {
        Timeout = Timeout.InfiniteTimeSpan,
        MaxResponseContentBufferSize = MostListBytes,
    };

    /// <summary>Where a file of a repository is.</summary>
    public Uri AddressOf(ModelName name, string file) => name.Address is { } address && file == name.File
        ? address
        : name.Address is { } beside ? new Uri(beside, Uri.EscapeDataString(file)) : new Uri(Root, $"{Escaped(name.Place)}/resolve/main/{Escaped(file)}");

    /// <summary>The files of a repository.</summary>
    /// <exception cref="PullException">There is no such repository, or the server does not say.</exception>
    public async Task<IReadOnlyList<string>> ListAsync(ModelName name, CancellationToken cancellation)
    {
        var address = new Uri(Root, $"api/models/{Escaped(name.Place)}/tree/main?recursive=true");
        try
        {
            using RemoteAnswer answer = await GetAsync(address, 0, null, cancellation).ConfigureAwait(false);
            await answer.Response.Content.LoadIntoBufferAsync(MostListBytes, cancellation).ConfigureAwait(false);
            using JsonDocument list = await JsonDocument.ParseAsync(await answer.Response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false), default, cancellation).ConfigureAwait(false);
            return [.. list.RootElement.EnumerateArray().Where(e => e.GetProperty("type").GetString() == "file").Select(e => e.GetProperty("path").GetString()!)];
        }
        catch (HttpRequestException e)
        {
            throw new PullException($"{address}: {Failures.Sentence(e)}", e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new PullException($"{address} answers with no list of files; --endpoint names a server that answers as Hugging Face does", e);
        }
    }

    /// <summary>Asks for a file.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="from">The first byte that is wanted.</param>
    /// <param name="tag">The file is wanted from there only if this is its tag still, and whole otherwise; null for no such condition.</param>
    /// <param name="cancellation">Ends the asking.</param>
    /// <exception cref="PullException">The server refuses.</exception>
    /// <exception cref="HttpRequestException">The server does not answer, or says that it cannot now.</exception>
    public async Task<RemoteAnswer> GetAsync(Uri address, long from, string? tag, CancellationToken cancellation)
    {
        long? size = null;
        string? sha256 = null;
        Uri asked = address;
        for (int redirects = 0; redirects <= MostRedirects; redirects++)
        {
            using HttpRequestMessage request = Request(asked, from, tag);
            HttpResponseMessage response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation).ConfigureAwait(false);
            // What the first server says of the file, before it sends us to another that only stores it.
            if (asked.Host == address.Host)
            {
                sha256 ??= Sha256(Header(response, "X-Linked-ETag")) ?? Sha256(response.Headers.ETag?.Tag);
                size ??= long.TryParse(Header(response, "X-Linked-Size"), NumberStyles.None, CultureInfo.InvariantCulture, out long linked) ? linked : null;
            }

            if (response.IsSuccessStatusCode)
            {
                long? sent = response.Content.Headers.ContentRange?.Length ?? (response.StatusCode == HttpStatusCode.PartialContent ? null : response.Content.Headers.ContentLength);
                if (size is not null && sent is not null && size != sent)
                {
                    response.Dispose();
                    throw new PullException($"{address}: the server says that the file has {size} bytes, and sends one of {sent}");
                }

                return new RemoteAnswer(response, new RemoteFile(size ?? sent, sha256, response.Headers.ETag is { IsWeak: false } strong ? strong.Tag : null));
            }

            using (response)
                asked = Next(response, asked);
        }

        throw new PullException($"{address}: the server sends from one address to the next, more than {MostRedirects} times");
    }

    public void Dispose() => _client.Dispose();

    private Uri Root => endpoint.AbsoluteUri.EndsWith('/') ? endpoint : new Uri(endpoint.AbsoluteUri + "/");

    private HttpRequestMessage Request(Uri address, long from, string? tag)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("kvant", typeof(ModelServer).Assembly.GetName().Version?.ToString(3)));
        if (from > 0)
            request.Headers.Range = new RangeHeaderValue(from, null);
        if (from > 0 && tag is not null)
            request.Headers.IfRange = new RangeConditionHeaderValue(new EntityTagHeaderValue(tag));
        if (token is not null && address.Host == endpoint.Host && (address.Scheme == Uri.UriSchemeHttps || address.IsLoopback))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return request;
    }

    // Where to ask instead; or says why there is nothing to be had.
    private static Uri Next(HttpResponseMessage response, Uri asked)
    {
        string words = $"{(int)response.StatusCode}{(string.IsNullOrEmpty(response.ReasonPhrase) ? "" : $" {response.ReasonPhrase}")}";
        switch (response.StatusCode)
        {
            case HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect
                when response.Headers.Location is { } location:
                Uri next = new(asked, location);
                return next.Scheme == asked.Scheme || next.Scheme == Uri.UriSchemeHttps ? next : throw new PullException($"{asked}: the server sends on to {next}, which is no https address");
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden:
                throw new PullException($"{asked}: the server wants to know who asks ({words}); the name is wrong, or the model is private or gated: set HF_TOKEN to a token that may read it");
            case HttpStatusCode.NotFound or HttpStatusCode.Gone:
                throw new PullException($"{asked}: the server has no such file ({words}); check the name");
            case HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError:
                throw new HttpRequestException($"the server cannot answer now ({words})");
            default:
                throw new PullException($"{asked}: the server refuses ({words})");
        }
    }

    private static string? Header(HttpResponseMessage response, string name) => response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;

    private static string? Sha256(string? tag)
    {
        string? text = tag?.Trim('"').ToLowerInvariant();
        return text is { Length: 64 } && text.All(char.IsAsciiHexDigit) ? text : null;
    }

    private static string Escaped(string path) => string.Join('/', path.Split('/').Select(Uri.EscapeDataString));
}
