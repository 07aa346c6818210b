using System.CommandLine;
using Kvant.Caching;
using Kvant.Cli.Pulling;
using Kvant.Formats;
using Kvant.Models.Decoding;

namespace Kvant.Cli.Files;

/// <summary>
/// The files of one command, as its options and arguments declare them. No command replaces or removes a file that it reads or that the
/// tool did not write: every output is compared with every input before any work starts, and again before it is put in place. An output
/// that exists is replaced where it is empty or an earlier output of the same kind; anything else needs <c>--force</c>, and an input
/// is refused even then. Pipes, devices and folders are never replaced; a link is written through to its target.
/// </summary>
internal sealed class CommandFiles : IDisposable
{
    private readonly List<(FileIdentity File, string Words)> _inputs = [];
    private readonly List<(string Path, string Name, OutputKind Kind, bool Force)> _outputs = [];
    private readonly StagingFolders _staging = new();

    private CommandFiles()
    {
    }

    /// <summary>Outputs that were put in place, in that order.</summary>
    public IReadOnlyList<string> Written => _staging.Committed;

    /// <summary>Whether the command was asked for a file.</summary>
    public bool HasOutputs => _outputs.Count > 0;

    /// <summary>Reads the files off a command line and checks them all; nothing is opened.</summary>
    /// <param name="result">The command line.</param>
    /// <param name="force">Whether existing outputs of other kinds may be replaced.</param>
    /// <exception cref="UsageException">An output is an input, another output or has no name.</exception>
    /// <exception cref="IOException">An input is none that can be read, or an output none that may be replaced.</exception>
    public static CommandFiles Of(ParseResult result, bool force)
    {
        Command command = result.CommandResult.Command;
        IFileSymbol[] symbols = [.. command.Arguments.OfType<IFileSymbol>(), .. command.Options.OfType<IFileSymbol>()];
        var files = new CommandFiles();
        files.Protect(Shipped.Model, "the model that ships with the tool");
        files.Protect(Shipped.Text, "the text that ships with the tool");
        foreach (IFileSymbol symbol in symbols)
        {
            foreach (string path in symbol.Names(result))
            {
                if (path.Length == 0)
                    throw new UsageException($"{symbol.Name} has an empty name; name a file");
                if (symbol.Use == FileUse.Output)
                    files.Add(path, symbol.Name, symbol.Kind!, force);
                else if (symbol.Use != FileUse.Policy || (CachePreset.Find(path) is null && !PolicyText.IsSteps(path)))
                    files.AddInput(path, symbol);
            }
        }

        for (int descriptor = 0; descriptor < 3; descriptor++)
        {
            if (FileIdentity.Of(descriptor) is { Type: FileType.Regular } file)
                files._inputs.Add((file, descriptor == 0 ? "the standard input" : descriptor == 1 ? "the standard output" : "the standard error"));
        }

        for (int i = 0; i < files._outputs.Count; i++)
        {
            files.Check(files._outputs[i]);
            foreach (var other in files._outputs.Take(i))
            {
                // Where names differ by case alone the file system may fold them.
                if (string.Equals(FileIdentity.RealPath(other.Path), FileIdentity.RealPath(files._outputs[i].Path), StringComparison.OrdinalIgnoreCase)
                    || (FileIdentity.Of(other.Path) is { } file && file == FileIdentity.Of(files._outputs[i].Path)))
                    throw new UsageException($"'{files._outputs[i].Path}' is {files._outputs[i].Name} and {other.Name} at once; name two files");
            }
        }

        return files;
    }

    /// <summary>Adds what a model is read from beside the file that was named: the other parts of a split one.</summary>
    /// <exception cref="UsageException">An output is one of them.</exception>
    public void AddParts(IEnumerable<string> paths)
    {
        foreach (string path in paths)
            Protect(path, "a part of the model");
        _outputs.ForEach(Check);
    }

    /// <summary>Writes an output: it appears whole or not at all, and only where it still may be replaced.</summary>
    /// <param name="output">The name that was declared.</param>
    /// <param name="write">Writes a new file at the path that it is given.</param>
    /// <exception cref="IOException">It cannot be written there; the message names the output.</exception>
    public void Write(string output, Action<string> write)
    {
        try
        {
            _staging.Write(output, write, () => Check(_outputs.First(o => o.Path == output)));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException($"no permission to write '{output}'; choose another folder", e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new IOException($"'{output}' cannot be written there; choose another folder", e);
        }
    }

    /// <summary>Removes what is not complete, for good: whatever a thread still writes appears nowhere.</summary>
    public void Dispose() => _staging.Dispose();

    private void Protect(string path, string words)
    {
        if (FileIdentity.Of(path) is { } file)
            _inputs.Add((file, words));
    }

    // A pipe that nobody writes to would block whoever opens it, and a device has no end; neither is opened here.
    private void AddInput(string path, IFileSymbol symbol)
    {
        if (FileIdentity.Of(path) is not { } file)
        {
            // Of a model that was not pulled, it would say that a folder is missing.
            if (ModelName.Find(path) is not null)
                throw new FileNotFoundException(null, path);
            return; // The reader says best what is missing.
        }

        if (file.Type != FileType.Regular && !(file.Type == FileType.Pipe && symbol.Use == FileUse.Text))
            throw new IOException($"{path} is {file.Words}; a {(symbol.Use == FileUse.Text ? "file or a pipe" : "file")} is wanted");
        _inputs.Add((file, $"the input {symbol.Name}"));
    }

    private void Add(string path, string name, OutputKind kind, bool force)
    {
        _outputs.Add((path, name, kind, force));
        // Nobody named the file beside, so nobody can have meant to give it up.
        if (kind is { SideSuffix: { } suffix, SideKind: { } side })
            _outputs.Add((path + suffix, $"the file beside {name}", side, false));
    }

    private void Check((string Path, string Name, OutputKind Kind, bool Force) output)
    {
        (string path, _, OutputKind kind, bool force) = output;
        string real = FileIdentity.RealPath(path);
        if (FileIdentity.Of(path) is not { } file)
        {
            if (Path.EndsInDirectorySeparator(path))
                throw new IOException($"'{path}' is a folder; name a file in it");
            if (Path.GetDirectoryName(real) is { } folder && !Directory.Exists(folder))
                throw new IOException($"the folder of '{path}' does not exist; create it first");
            return;
        }

        foreach ((FileIdentity input, string words) in _inputs)
        {
            if (input == file)
                throw new UsageException($"'{path}' is {words}; write to another file");
        }

        if (file.Type == FileType.Folder)
            throw new IOException($"'{path}' is a folder; name a file in it");
        if (file.Type != FileType.Regular)
            throw new IOException($"'{path}' is {file.Words}; name a regular file");
        if (!force && !kind.Allows(path))
        {
            throw new IOException(ReferenceEquals(kind, OutputKind.Policy.SideKind)
                ? $"'{path}' exists and is not {kind.Words}, which would stand there; move it, or name another output"
                : $"'{path}' exists and is not {kind.Words}; name another file, or replace it with --force");
        }
    }
}
