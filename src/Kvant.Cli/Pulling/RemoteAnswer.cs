using System.Net;

namespace Kvant.Cli.Pulling;

/// <summary>A file on its way.</summary>
/// <param name="Response">The answer, of which the head was read.</param>
/// <param name="File">What the server says of the whole file.</param>
internal sealed record RemoteAnswer(HttpResponseMessage Response, RemoteFile File) : IDisposable
{
    /// <summary>The first byte that comes; 0 where the server sends the whole file, asked for a part or not.</summary>
    public long From => Response.StatusCode == HttpStatusCode.PartialContent ? Response.Content.Headers.ContentRange?.From ?? 0 : 0;

    public void Dispose() => Response.Dispose();
}
