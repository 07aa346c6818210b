namespace Kvant.Formats;

/// <summary>What stands behind a name in a folder.</summary>
internal enum FileType
{
    Regular,
    Folder,
    Pipe,
    Device,
    Socket,
}
