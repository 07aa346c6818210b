using Kvant.Chat;

namespace Kvant.Serving;

/// <summary>Which model is served, to whom, and within which limits.</summary>
public sealed record KvantServingOptions
{
    private readonly long _mostRequestBytes = 1 << 20;
    private readonly IReadOnlyList<string> _apiKeys = [];
    private readonly string? _name;

    /// <summary>The model and how it runs. Its <see cref="KvantChatOptions.Sampling"/>, <see cref="KvantChatOptions.Tenant"/> and <see cref="KvantChatOptions.MaxOutputTokens"/> are not those of requests: these have the defaults of
    /// the protocol, but for the tokens of a chat's answer.</summary>
    public required KvantChatOptions Model { get; init; }

    /// <summary>What clients call the model; the name of its file unless said.</summary>
    /// <exception cref="ArgumentException">It is empty.</exception>
    public string Name
    {
        get => _name ?? Path.GetFileNameWithoutExtension(Model.Model);
        init => _name = string.IsNullOrWhiteSpace(value) ? throw new ArgumentException("A model has a name.", nameof(value)) : value;
    }

    /// <summary>Who may ask: each key is a tenant, who shares nothing with others, in memory or in the store. None unless said: then everybody who reaches the server may, and all are one tenant.</summary>
    /// <exception cref="ArgumentException">A key is empty, or has other signs than those that a header can carry.</exception>
    public IReadOnlyList<string> ApiKeys
    {
        get => _apiKeys;
        init => _apiKeys = value.All(key => key.Length > 0 && key.All(c => c is > ' ' and <= '~')) ? [.. value]
            : throw new ArgumentException("A key is empty or has signs that no header can carry: printable ASCII without spaces is wanted.", nameof(value));
    }

    /// <summary>The longest body of a request, in bytes, 1 to 1 GiB; 1 MiB unless said.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is less or more.</exception>
    public long MostRequestBytes
    {
        get => _mostRequestBytes;
        init => _mostRequestBytes = value is >= 1 and <= 1 << 30 ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A request has 1 byte to 1 GiB.");
    }
}
