namespace Kvant.Cli.Pulling;

/// <summary>A file that was pulled, or was there already.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Bytes">How long it is.</param>
/// <param name="Sha256">Its SHA-256 in small letters; null where it was there and was not read.</param>
/// <param name="IsChecked">Whether that was compared with what somebody said.</param>
/// <param name="IsNew">Whether it was pulled just now.</param>
internal sealed record PulledFile(string Path, long Bytes, string? Sha256, bool IsChecked, bool IsNew);
