namespace Kvant.Cli.Pulling;

/// <summary>What a server says of a file.</summary>
/// <param name="Size">Its bytes; null where nobody says.</param>
/// <param name="Sha256">Its SHA-256 in small letters; null where nobody says.</param>
/// <param name="Tag">What changes with its content (a strong ETag); null where there is none.</param>
internal sealed record RemoteFile(long? Size, string? Sha256, string? Tag)
{
    /// <summary>A text that is the same for the same content, by which a part of a download knows what it is a part of; null where a server says nothing of the kind.</summary>
    public string? Identity => Sha256 ?? (Tag is null ? null : $"{Tag} {Size}");
}
