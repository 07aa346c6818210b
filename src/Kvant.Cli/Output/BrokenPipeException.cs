namespace Kvant.Cli.Output;

/// <summary>Whoever read the output has gone: it has what it wanted, and the command ends without a word.</summary>
internal sealed class BrokenPipeException(Exception inner) : IOException(inner.Message, inner);
