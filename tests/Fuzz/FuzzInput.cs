namespace Kvant.Fuzz;

/// <summary>One input, in memory and in a file that holds the same.</summary>
/// <param name="Bytes">The bytes.</param>
/// <param name="Path">A file with these bytes, for readers that take no other.</param>
internal sealed record FuzzInput(byte[] Bytes, string Path)
{
    private string MadePath => Path + ".made";

    /// <summary>Writes a file that a target made of the input, beside it.</summary>
    internal string Make(byte[] bytes) => Write(MadePath, bytes).Path;

    /// <summary>Removes the files.</summary>
    internal void Delete()
    {
        File.Delete(Path);
        File.Delete(MadePath);
    }

    /// <summary>Writes bytes to a file. If reading them ends the process, they are there.</summary>
    internal static FuzzInput Write(string path, byte[] bytes)
    {
        File.WriteAllBytes(path, bytes);
        return new(bytes, path);
    }
}
