using System.CommandLine;
using Kvant.Caching;
using Kvant.Conversations.Redis;
using Kvant.Conversations.Stores;
using StackExchange.Redis;

namespace Kvant.Cli;

/// <summary>The option <c>--store</c>: where conversations are stored.</summary>
internal static class ChunkStores
{
    /// <summary>The password of a server of Redis, for those who do not want it on the command line.</summary>
    internal const string PasswordVariable = "KVANT_REDIS_PASSWORD";

    private const string Redis = "redis", RedisOverTls = "rediss";
    private const int DefaultPort = 6379;

    public static Option<string?> Option() => new("--store")
    {
        Description = $"Where conversations are stored, so that they outlive the process and share their beginnings: a folder, made if it is not there, or a server of Redis, Valkey or Garnet, whose password the variable {PasswordVariable} may have.",
        HelpName = "DIR|redis://HOST:PORT",
    };

    /// <summary>Opens a store, which is disposed by its caller where it can be.</summary>
    /// <param name="text">The option's value; null for none.</param>
    /// <param name="limit">The most bytes of a folder; null for no limit.</param>
    /// <param name="recodeTo">What a folder that is full codes chunks again to; null for nothing.</param>
    /// <exception cref="UsageException">It is no address.</exception>
    public static async Task<IChunkStore?> OpenAsync(string? text, long? limit, LayerSpecs? recodeTo = null)
    {
        if (recodeTo is not null && (text is null || limit is null))
            throw new UsageException("--store-recode needs --store and --store-limit");
        if (text is null)
            return limit is null ? null : throw new UsageException("--store-limit needs --store");
        if (Server(text, Environment.GetEnvironmentVariable(PasswordVariable)) is not { } server)
            return new DiskChunkStore(text, limit ?? long.MaxValue, recodeTo);
        if (limit is not null)
            throw new UsageException("--store-limit is of a folder; a server has a limit of its own");
        return await RedisChunkStore.ConnectAsync(server).ConfigureAwait(false);
    }

    /// <summary>The server that a value names; null where it names a folder.</summary>
    /// <param name="text">The option's value.</param>
    /// <param name="password">The password where the value has none; null or empty for none.</param>
    /// <exception cref="UsageException">It is neither. What it was is not said, for there may be a password in it.</exception>
    internal static ConfigurationOptions? Server(string text, string? password)
    {
        if (!LooksLikeAddress(text))
            return null;
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? address) || address.Scheme is not (Redis or RedisOverTls) || address.Host.Length == 0 || address.AbsolutePath is not ("" or "/") || address.Query.Length > 0 || address.Fragment.Length > 0)
            throw new UsageException("--store must be a folder or redis://[[USER]:PASSWORD@]HOST[:PORT], rediss:// for TLS; found is an address of another kind, which is not repeated here since it may have a password");
        string[] user = address.UserInfo.Split(':', 2);
        ConfigurationOptions server = new()
        {
            EndPoints = { { address.IdnHost, address.Port < 0 ? DefaultPort : address.Port } },
            Ssl = address.Scheme == RedisOverTls,
        };
        if (user[0].Length > 0)
            server.User = Uri.UnescapeDataString(user[0]);
        if (user.Length > 1)
            server.Password = Uri.UnescapeDataString(user[1]);
        else if (!string.IsNullOrEmpty(password))
            server.Password = password;
        return server;
    }

    // A folder may have a colon in its name; what begins with the name of a scheme is meant as an address, and must not become a folder with a password in its name.
    private static bool LooksLikeAddress(string text) => text.Contains("://", StringComparison.Ordinal)
        || text.StartsWith(Redis + ":", StringComparison.OrdinalIgnoreCase) || text.StartsWith(RedisOverTls + ":", StringComparison.OrdinalIgnoreCase);
}
