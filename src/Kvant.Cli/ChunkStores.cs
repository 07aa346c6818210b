using System.CommandLine;
using Kvant.Conversations.Redis;
using Kvant.Conversations.Stores;

namespace Kvant.Cli;

/// <summary>The option <c>--store</c>: where conversations are stored.</summary>
internal static class ChunkStores
{
    private const string Redis = "redis://", RedisOverTls = "rediss://";

    public static Option<string?> Option() => new("--store")
    {
        Description = "Where conversations are stored, so that they outlive the process and share their beginnings: a folder, made if it is not there, or a server of Redis, Valkey or Garnet.",
        HelpName = "DIR|redis://HOST:PORT",
    };

    /// <summary>Opens a store, which is disposed by its caller where it can be.</summary>
    /// <param name="text">The option's value; null for none.</param>
    /// <param name="limit">The most bytes of a folder; null for no limit.</param>
    /// <exception cref="UsageException">It is no address.</exception>
    public static async Task<IChunkStore?> OpenAsync(string? text, long? limit)
    {
        if (text is null)
            return limit is null ? null : throw new UsageException("--store-limit needs --store");
        bool overTls = text.StartsWith(RedisOverTls, StringComparison.OrdinalIgnoreCase);
        if (!overTls && !text.StartsWith(Redis, StringComparison.OrdinalIgnoreCase))
            return new DiskChunkStore(text, limit ?? long.MaxValue);
        if (limit is not null)
            throw new UsageException("--store-limit is of a folder; a server has a limit of its own");
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? address) || address.Host.Length == 0 || address.AbsolutePath is not ("" or "/"))
            throw new UsageException($"--store must be a folder or redis://[:PASSWORD@]HOST[:PORT]; found '{text}'");
        string[] user = address.UserInfo.Split(':', 2);
        string configuration = $"{address.Host}:{(address.IsDefaultPort || address.Port < 0 ? 6379 : address.Port)}"
            + (user[0].Length > 0 ? $",user={Uri.UnescapeDataString(user[0])}" : "") + (user.Length > 1 ? $",password={Uri.UnescapeDataString(user[1])}" : "") + (overTls ? ",ssl=true" : "");
        return await RedisChunkStore.ConnectAsync(configuration).ConfigureAwait(false);
    }
}
