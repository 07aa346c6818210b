using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Kvant.Cli.Completion;
using Kvant.Cli.Output;
using Kvant.Cli.Verbs;

namespace Kvant.Cli;

/// <summary>The command-line tool <c>kvant</c> as a method: arguments in, text and an exit code out.</summary>
public static class Tool
{
    /// <summary>Exit code of a command that did what it was asked to.</summary>
    public const int Success = 0;

    /// <summary>Exit code where the request was right but could not be met: a missing or damaged file, refused data.</summary>
    public const int Failure = 1;

    /// <summary>Exit code where the request itself is wrong: an unknown command, option, codec or setting.</summary>
    public const int WrongUsage = 2;

    /// <summary>Exit code after Ctrl-C; after a request to terminate it is 143.</summary>
    public const int Interrupted = 130;

    /// <summary>Runs a command on the console of this process; Ctrl-C ends it within a second.</summary>
    /// <param name="args">The words behind <c>kvant</c>.</param>
    /// <returns>The exit code.</returns>
    public static int Run(IReadOnlyList<string> args)
    {
        using var interrupt = new Interrupt();
        var terminal = Terminal.OfConsole(interrupt.Token);
        return interrupt.Run(() => Run(args, terminal), terminal.Abandon);
    }

    /// <summary>Runs a command and writes to the given writers as to redirected files: plain text, no colors, no progress.</summary>
    /// <param name="args">The words behind <c>kvant</c>.</param>
    /// <param name="stdout">Receives results.</param>
    /// <param name="stderr">Receives errors, one line each.</param>
    /// <param name="cancellation">Ends the command early, as Ctrl-C does.</param>
    /// <returns>The exit code.</returns>
    public static int Run(IReadOnlyList<string> args, TextWriter stdout, TextWriter stderr, CancellationToken cancellation = default) =>
        Run(args, new Terminal(stdout, stderr, cancellation));

    /// <summary>Runs a command on any terminal.</summary>
    internal static int Run(IReadOnlyList<string> args, Terminal terminal)
    {
        try
        {
            // No response files: an argument that begins with @ is a file name like any other.
            ParseResult result = CreateRoot(terminal).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (result.Action is not (HelpWithExamples or VersionAction) && UsageErrors.MissingValue(result, args) is { } missing)
                throw new UsageException($"{missing}; see '{UsageErrors.HelpCommand(result)}'");
            if (result.Action is ParseErrorAction)
                throw new UsageException($"{UsageErrors.Describe(result)}; see '{UsageErrors.HelpCommand(result)}'");
            return result.Invoke(new InvocationConfiguration
            {
                Output = terminal.Out,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (BrokenPipeException)
        {
            return Success;
        }
        catch (Exception e)
        {
            (int code, string message) = Failures.Describe(e, terminal.State);
            if (!terminal.State.TryEnd())
                return code;
            try
            {
                terminal.Error.WriteLine($"kvant: {message}");
            }
            catch (IOException)
            {
                // Nobody can be told; the exit code still says it.
            }

            return code;
        }
    }

    /// <summary>The tree of commands.</summary>
    internal static RootCommand CreateRoot(Terminal terminal)
    {
        var root = new RootCommand("Compresses the key-value cache of transformer models, and shows what each method costs and what it loses.")
        {
            new EvaluateVerb().On(terminal),
            new TuneVerb().On(terminal),
            new GenerateVerb().On(terminal),
            new PullVerb().On(terminal),
            new ChatVerb().On(terminal),
            new ServeVerb().On(terminal),
            new TraceVerb().On(terminal),
            new MeasureVerb().On(terminal),
            new PlanVerb().On(terminal),
            new VerbGroup("bench", "Measure how fast attention, encoding, prefill and decoding are on this machine.", new BenchAttentionVerb().On(terminal), new BenchEncodeVerb().On(terminal), new BenchPrefillVerb().On(terminal), new BenchDecodeVerb().On(terminal)),
            new DevicesVerb().On(terminal),
            new CodecsVerb().On(terminal),
            new CodebookVerb().On(terminal),
            new CompressVerb().On(terminal),
            new DecompressVerb().On(terminal),
            new InspectVerb().On(terminal),
            new SlotVerb().On(terminal),
            new VerbGroup("store", "Look after the folder of a store of chunks.", new StoreVerifyVerb().On(terminal), new StoreGcVerb().On(terminal), new StoreRecodeVerb().On(terminal)),
            new CompletionVerb().On(terminal),
            new CompleteCommand(terminal),
        };
        // 'kvant complete' says more than the parser's own directive, and says it to our scripts.
        foreach (Directive directive in root.Directives.OfType<SuggestDirective>().ToArray())
            root.Directives.Remove(directive);
        root.SetAction(result => new HelpWithExamples().Invoke(result));
        foreach (Option option in root.Options)
        {
            if (option is VersionOption)
                option.Action = new VersionAction();
            else if (option is HelpOption)
                option.Action = new HelpWithExamples();
        }

        return root;
    }
}
