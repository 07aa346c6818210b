using Spectre.Console;
using Spectre.Console.Rendering;

namespace Kvant.Cli.Output;

/// <summary>Where a command writes, and what it may assume about the reader.</summary>
internal sealed class Terminal(TextWriter output, TextWriter error, CancellationToken cancellation)
{
    /// <summary>Results go here.</summary>
    public TextWriter Out { get; } = output;

    /// <summary>Errors and progress go here.</summary>
    public TextWriter Error { get; } = error;

    /// <summary>Set by Ctrl-C.</summary>
    public CancellationToken Cancellation { get; } = cancellation;

    /// <summary>Columns of the terminal that <see cref="Out"/> is, or null where it is a file or a pipe.</summary>
    public int? OutWidth { get; private init; }

    /// <summary>Whether a person sees <see cref="Error"/> as it is written.</summary>
    public bool ErrorIsTerminal { get; private init; }

    // https://no-color.org: any value but the empty one.
    private static bool NoColor => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    /// <summary>The console of this process.</summary>
    public static Terminal OfConsole(CancellationToken cancellation) => new(Console.Out, Console.Error, cancellation)
    {
        OutWidth = Console.IsOutputRedirected || Console.WindowWidth < 1 ? null : Console.WindowWidth,
        ErrorIsTerminal = !Console.IsErrorRedirected,
    };

    /// <summary>Writes a table or the like to <see cref="Out"/>.</summary>
    /// <param name="content">What to write.</param>
    /// <param name="width">Columns that it takes; a narrower terminal breaks it, a file never does.</param>
    public void Show(IRenderable content, int width)
    {
        if (OutWidth is { } columns)
        {
            CreateConsole(Out, ansi: !NoColor, columns).Write(content);
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
        if (quiet || !ErrorIsTerminal)
        {
            job(static _ => { });
            return;
        }

        CreateConsole(Error, ansi: true, null).Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
        {
            ProgressTask bar = context.AddTask(title, maxValue: 1);
            job(done => bar.Value = done);
        });
    }

    /// <summary>Runs a job that cannot be stopped itself; Ctrl-C leaves it behind and goes on here.</summary>
    public T WaitFor<T>(Func<T> job) => Task.Run(job).WaitAsync(Cancellation).GetAwaiter().GetResult();

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
