using Kvant.Caching;
using Kvant.Cli.Output;
using Kvant.Cli.Pulling;
using Kvant.Gpu;

namespace Kvant.Cli;

/// <summary>Turns whatever went wrong into an exit code and one line.</summary>
internal static class Failures
{
    public static (int ExitCode, string Message) Describe(Exception e, CommandState state) => e switch
    {
        UsageException => (Tool.WrongUsage, LowerCase(OneLine(e.Message))),
        OperationCanceledException => (Tool.Interrupted, state.Describe()),
        AggregateException { InnerException: { } inner } => Describe(inner, state),
        FileNotFoundException { FileName: { } file } => (Tool.Failure, $"the file '{file}' does not exist; check the path{Pull(file)}"),
        DirectoryNotFoundException => (Tool.Failure, $"{Sentence(e)}; check the path"),
        UnauthorizedAccessException => (Tool.Failure, $"{Sentence(e)}; check that it is a file and its permissions"),
        OutOfMemoryException => (Tool.Failure, "there is not enough memory for this; take fewer rows or tokens"),
        IOException or InvalidDataException or ArgumentException or FormatException or InvalidOperationException
            or NotSupportedException or CacheFullException or GpuException => (Tool.Failure, Sentence(e)),
        OverflowException => (Tool.Failure, "these sizes together are more bytes than a 64-bit number counts; take fewer layers, heads, numbers or tokens"),
        _ => (Tool.Failure, $"a fault of the tool, please report it: {e.GetType().Name}: {Sentence(e)}"),
    };

    // A name of a model is given as it was written, a path made whole.
    private static string Pull(string file) => !Path.IsPathRooted(file) && ModelName.Find(file) is not null ? $", or 'kvant pull {file}' if that is a model" : "";

    /// <summary>The message as one line that can follow a colon: without a parameter's name, a capital or a full stop.</summary>
    public static string Sentence(Exception e)
    {
        string message = e.Message;
        if (e is ArgumentException { ParamName: { } name })
            message = message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal);
        message = OneLine(message);
        return e is InvalidDataException ? message : LowerCase(message); // those begin with the name of a file
    }

    // Only a plain word: an acronym, a name such as TurboQuant, what is quoted and what may be a file stay as they are.
    private static string LowerCase(string message)
    {
        string word = message.Split(' ', 2)[0];
        bool isPlain = word.Length > 0 && char.IsAsciiLetterUpper(word[0]) && word.AsSpan(1).IndexOfAnyExceptInRange('a', 'z') < 0;
        return isPlain && !Path.Exists(word) ? char.ToLowerInvariant(message[0]) + message[1..] : message;
    }

    private static string OneLine(string text) =>
        string.Join(' ', text.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).TrimEnd('.');
}
