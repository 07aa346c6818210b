namespace Kvant.Cli;

/// <summary>The request itself is wrong: the tool ends with exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
