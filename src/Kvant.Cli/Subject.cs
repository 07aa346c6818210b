using System.CommandLine;

namespace Kvant.Cli;

/// <summary>What a command reads: a model, given by <c>--model</c> as everywhere, or a trace, the argument. A model in the place of the trace is taken as one.</summary>
internal sealed class Subject
{
    /// <summary>The trace.</summary>
    public Argument<string?> Trace { get; } = CommonOptions.OptionalFile("TRACE", "Recorded keys, values and queries (safetensors with kvant.trace = 1), in place of a model.");

    /// <summary>The model.</summary>
    public Option<string?> Model { get; } = CommonOptions.Model();

    /// <summary>The file that was given, or the model that ships.</summary>
    /// <exception cref="UsageException">There are two.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public (string Path, bool IsModel) Of(ParseResult result) => (result.GetValue(Trace), result.GetValue(Model)) switch
    {
        ({ } trace, { }) => throw new UsageException($"'{trace}' is one input and --model another; give one of them"),
        (null, var model) => (model ?? Shipped.Model, true),
        ({ } trace, null) => (trace, FileKind.IsGguf(trace)),
    };
}
