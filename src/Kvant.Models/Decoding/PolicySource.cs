namespace Kvant.Models.Decoding;

/// <summary>The model that a policy is going to be used for, by the hash that policy files are bound to.</summary>
/// <param name="Name">The file, for messages.</param>
/// <param name="Hash">Computes the hash, which takes a while.</param>
internal sealed record PolicySource(string Name, Func<string> Hash);
