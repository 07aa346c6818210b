using System.Security.Cryptography;
using System.Text;

namespace Kvant.Serving;

/// <summary>Who may ask, and as which tenant. Keys are kept and compared as hashes, all of them in the same time whether one fits or none.</summary>
internal sealed class ApiKeys
{
    private const string Scheme = "Bearer ";

    private readonly byte[][] _hashes;
    private readonly string[] _tenants;

    /// <summary>Some keys; none where everybody may ask.</summary>
    public ApiKeys(IReadOnlyList<string> keys)
    {
        _hashes = [.. keys.Distinct().Select(key => SHA256.HashData(Encoding.UTF8.GetBytes(key)))];
        // What salts chunks is a hash of the key, so that it says nothing of the key where it appears.
        _tenants = [.. keys.Distinct().Select(key => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("kvant tenant\0" + key))))];
    }

    /// <summary>The tenant that a header names; empty where there are no keys, null where it names none.</summary>
    /// <param name="authorization">The header's value; null for none.</param>
    public string? TenantOf(string? authorization)
    {
        if (_hashes.Length == 0)
            return "";
        if (authorization?.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) is not true)
            return null;
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(authorization[Scheme.Length..].Trim()));
        string? tenant = null;
        for (int i = 0; i < _hashes.Length; i++)
            tenant = CryptographicOperations.FixedTimeEquals(hash, _hashes[i]) ? _tenants[i] : tenant;
        return tenant;
    }
}
