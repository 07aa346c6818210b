namespace Kvant.Cli;

/// <summary>Turns whatever went wrong into an exit code and one line.</summary>
internal static class Failures
{
    public static (int ExitCode, string Message) Describe(Exception e) => e switch
    {
        UsageException => (Tool.WrongUsage, OneLine(e.Message)),
        OperationCanceledException => (Tool.Interrupted, "interrupted; no file was written"),
        AggregateException { InnerException: { } inner } => Describe(inner),
        FileNotFoundException { FileName: { } file } => (Tool.Failure, $"the file '{file}' does not exist; check the path"),
        DirectoryNotFoundException => (Tool.Failure, $"{Sentence(e)}; check the path"),
        UnauthorizedAccessException => (Tool.Failure, $"{Sentence(e)}; check that it is a file and its permissions"),
        OutOfMemoryException => (Tool.Failure, "there is not enough memory for this; take fewer rows or tokens"),
        IOException or InvalidDataException or ArgumentException or FormatException or InvalidOperationException
            or NotSupportedException or OverflowException => (Tool.Failure, Sentence(e)),
        _ => (Tool.Failure, $"a fault of the tool, please report it: {e.GetType().Name}: {Sentence(e)}"),
    };

    private static string Sentence(Exception e)
    {
        string message = e.Message;
        if (e is ArgumentException { ParamName: { } name })
            message = message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal);
        return OneLine(message);
    }

    private static string OneLine(string text) =>
        string.Join(' ', text.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).TrimEnd('.');
}
