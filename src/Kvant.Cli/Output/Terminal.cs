using Kvant.Evaluation;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Kvant.Cli.Output;

/// <summary>Where a command writes, and what it may assume about the reader.</summary>
/// <param name="output">Receives results.</param>
/// <param name="error">Receives errors and progress.</param>
/// <param name="cancellation">Set by Ctrl-C.</param>
/// <param name="outWidth">Columns of the terminal that <paramref name="output"/> is, or null where it is a file or a pipe.</param>
internal sealed class Terminal(TextWriter output, TextWriter error, CancellationToken cancellation, int? outWidth = null)
{
    /// <summary>Results go here; what is no text for a terminal is made visible.</summary>
    public PrintableWriter Out { get; } = new(output, outWidth);

    /// <summary>Errors and progress go here.</summary>
    public PrintableWriter Error { get; } = new(error);

    /// <summary>What a model writes goes here: to a file or a pipe as it is, to a terminal as <see cref="Printable"/> text.</summary>
    public TextWriter Text => OutWidth is null ? output : Out;

    /// <summary>Where lines of a conversation come from.</summary>
    public TextReader In { get; init; } = Console.In;

    /// <summary>How far the command has come.</summary>
    public CommandState State { get; } = new();

    /// <summary>Set by Ctrl-C.</summary>
    public CancellationToken Cancellation { get; } = cancellation;

    /// <summary>Columns of the terminal that <see cref="Out"/> is, or null where it is a file or a pipe.</summary>
    public int? OutWidth => outWidth;

    /// <summary>Whether a person sees <see cref="Error"/> as it is written.</summary>
    public bool ErrorIsTerminal { get; private init; }

    // https://no-color.org: any value but the empty one.
    private static bool NoColor => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    /// <summary>The console of this process.</summary>
    public static Terminal OfConsole(CancellationToken cancellation) => new(
        StandardStreams.Out, StandardStreams.Error, cancellation, !StandardStreams.IsOpen(1) || Console.IsOutputRedirected || Console.WindowWidth < 1 ? null : Console.WindowWidth)
    {
        ErrorIsTerminal = StandardStreams.IsOpen(2) && !Console.IsErrorRedirected,
    };

    /// <summary>Writes a table or the like to <see cref="Out"/>.</summary>
    /// <param name="content">What to write.</param>
    /// <param name="width">Columns that it takes; a terminal is at least as wide.</param>
    public void Show(IRenderable content, int width)
    {
        if (OutWidth is { } columns)
        {
            CreateConsole(output, ansi: !NoColor, columns).Write(content);
            return;
        }

        using var text = new StringWriter();
        CreateConsole(text, ansi: false, width).Write(content);
        foreach (string line in text.ToString().Trim('\r', '\n').Split('\n'))
        {
            if (line.TrimEnd() is { Length: > 0 } trimmed)
                Out.WriteLine(trimmed);
        }
    }

    /// <summary>Runs a long job. Where a person is watching, a bar on <see cref="Error"/> shows how far it is.</summary>
    /// <param name="title">What the job does, such as <c>compressing</c>.</param>
    /// <param name="quiet">No bar, whoever watches: the output is for a machine.</param>
    /// <param name="job">Reports from 0 to 1 how much is done.</param>
    public void WithProgress(string title, bool quiet, Action<Action<double>> job)
    {
        State.Begin(title);
        if (quiet || !ErrorIsTerminal)
        {
            job(State.Report);
            State.End();
            return;
        }

        CreateConsole(error, ansi: true, null).Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
        {
            ProgressTask bar = context.AddTask(title, maxValue: 1);
            job(done =>
            {
                State.Report(done);
                bar.Value = done;
            });
        });
        State.End();
    }

    /// <summary>Runs a job that cannot be stopped itself; Ctrl-C leaves it behind and goes on here.</summary>
    public T WaitFor<T>(Func<T> job) => Task.Run(job).WaitAsync(Cancellation).GetAwaiter().GetResult();

    /// <summary>Ends a command whose thread does not come back: removes what is not complete, says how far it came, and lets it write no more.</summary>
    /// <returns>False where the command has come to its own end meanwhile and says so itself.</returns>
    public bool Abandon()
    {
        if (!State.TryEnd())
            return false;
        State.Files?.Dispose();
        ScratchFolder.RemoveAll();
        try
        {
            Out.Silence();
            // A progress bar hides the cursor and stands where the line goes.
            if (ErrorIsTerminal)
                error.Write("\r\u001b[K\u001b[?25h");
            Error.WriteLine($"kvant: {State.Describe()}");
        }
        catch (IOException)
        {
            // Nobody can be told; the exit code still says it.
        }

        Error.Silence();
        return true;
    }

    private static IAnsiConsole CreateConsole(TextWriter writer, bool ansi, int? width)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = ansi ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = ansi && !NoColor ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = ansi ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (width is { } columns)
            console.Profile.Width = columns;
        return console;
    }
}
