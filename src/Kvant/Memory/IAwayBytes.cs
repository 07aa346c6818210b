namespace Kvant.Memory;

/// <summary>The bytes of a page that lie elsewhere, such as on a device, and nowhere else. Counts its users, as pages do.</summary>
internal interface IAwayBytes
{
    /// <summary>One more holds them.</summary>
    void AddUser();

    /// <summary>One less holds them; the last gives up their place. Never an error.</summary>
    void RemoveUser();

    /// <summary>Reads them all, as they lie in a page.</summary>
    /// <param name="page">Receives them.</param>
    /// <exception cref="InvalidOperationException">They cannot be had; the message says from where.</exception>
    void Read(Span<byte> page);
}
