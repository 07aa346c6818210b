namespace Kvant.Formats;

/// <summary>
/// Which file a name leads to: two names of one file (links of both kinds, relative paths, mounts, folded case) have equal identities.
/// On Linux that is device and number; elsewhere the real path, which does not see through hard links.
/// </summary>
/// <param name="Key">Equal for the same file.</param>
/// <param name="Type">What it is; equal keys have equal types.</param>
internal readonly record struct FileIdentity(string Key, FileType Type)
{
    /// <summary>The words for a type, as in "a folder".</summary>
    public string Words => Type switch
    {
        FileType.Regular => "a regular file",
        FileType.Folder => "a folder",
        FileType.Pipe => "a pipe",
        FileType.Device => "a device",
        _ => "a socket",
    };

    /// <summary>The file behind a path, links followed; null where nothing is there. Never opens it, so a pipe cannot block.</summary>
    public static FileIdentity? Of(string path)
    {
        if (OperatingSystem.IsLinux() && LibC.Status(path) is { } status)
            return Of(status);
        // A link that leads nowhere exists for .NET.
        string real = RealPath(path, links: 0);
        return Directory.Exists(real) ? new FileIdentity(real, FileType.Folder) : File.Exists(real) ? new FileIdentity(real, FileType.Regular) : null;
    }

    /// <summary>The file behind an open descriptor; null where it is closed or the system does not say.</summary>
    public static FileIdentity? Of(int descriptor) => OperatingSystem.IsLinux() && LibC.Status(null, descriptor) is { } status ? Of(status) : null;

    /// <summary>Where a file has to be put so that a name leads to it: the path without links, wherever they stand in it. The file need not exist.</summary>
    /// <exception cref="IOException">The links go round in circles, or lead to a file that has no name any more.</exception>
    public static string RealPath(string path)
    {
        string real = RealPath(path, links: 0);
        // A name such as /proc/self/fd/3 opens a file that was removed, or is elsewhere by now.
        if (OperatingSystem.IsLinux() && Of(path) is { } file && Of(real) != file)
            throw new IOException($"{path} leads to a file that has no name");
        return real;
    }

    private static string RealPath(string path, int links)
    {
        const int MostLinks = 40;
        path = Path.GetFullPath(path);
        if (Path.GetDirectoryName(path) is not { } parent)
            return path;
        parent = RealPath(parent, links);
        string real = Path.Combine(parent, Path.GetFileName(path));
        if (new FileInfo(real).LinkTarget is not { } target)
            return real;
        return links < MostLinks ? RealPath(Path.Combine(parent, target), links + 1) : throw new IOException($"{path}: more than {MostLinks} links lead on from it");
    }

    private static FileIdentity Of(LibC.FileStatus status) => new(
        FormattableString.Invariant($"{status.DeviceMajor}:{status.DeviceMinor}:{status.Number}"),
        (status.Mode & 0xF000) switch
        {
            0x8000 => FileType.Regular,
            0x4000 => FileType.Folder,
            0x1000 => FileType.Pipe,
            0xC000 => FileType.Socket,
            _ => FileType.Device,
        });
}
