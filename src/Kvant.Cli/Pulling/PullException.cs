namespace Kvant.Cli.Pulling;

/// <summary>A server does not give what was asked for, and asking again would not help.</summary>
internal sealed class PullException(string message, Exception? inner = null) : IOException(message, inner);
