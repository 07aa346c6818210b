namespace Kvant.Cli;

/// <summary>Checks a file that a command is going to write, before any work is done for it.</summary>
internal static class OutputFile
{
    /// <summary>Refuses an output that cannot be written or that is an input of the same command.</summary>
    /// <param name="output">The file to write.</param>
    /// <param name="input">A file that the command reads, or null.</param>
    /// <exception cref="UsageException">Both are the same file.</exception>
    /// <exception cref="IOException">The output is a folder or a device, or its folder does not exist.</exception>
    public static void Check(string output, string? input)
    {
        if (output.Length == 0)
            throw new UsageException("the output file has an empty name; name a file");
        string target = RealPath(output);
        if (input is not null && File.Exists(input) && RealPath(input) == target)
            throw new UsageException($"'{output}' is the input; write to another file");
        if (Directory.Exists(target))
            throw new IOException($"'{output}' is a folder; name a file in it");
        // The new file is renamed over its target, which would replace the device itself.
        if (!OperatingSystem.IsWindows() && target.StartsWith("/dev/", StringComparison.Ordinal))
            throw new IOException($"'{output}' is a device; name a regular file");
        string? folder = Path.GetDirectoryName(target);
        if (folder is not null && !Directory.Exists(folder))
            throw new IOException($"the folder of '{output}' does not exist; create it first");
    }

    /// <summary>Runs what writes the file; its errors name the file that was asked for, not the temporary one beside it.</summary>
    public static void Write(string output, Action write)
    {
        try
        {
            write();
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

    // Links may stand anywhere in a path; two names are the same file where their folders and last links lead to the same place.
    private static string RealPath(string path)
    {
        path = Path.GetFullPath(path);
        if (Path.GetDirectoryName(path) is not { } parent)
            return path;
        string real = Path.Combine(RealPath(parent), Path.GetFileName(path));
        FileSystemInfo? target = Directory.Exists(real) ? Directory.ResolveLinkTarget(real, true) : File.Exists(real) ? File.ResolveLinkTarget(real, true) : null;
        return target?.FullName ?? real;
    }
}
