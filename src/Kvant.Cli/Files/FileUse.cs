namespace Kvant.Cli.Files;

/// <summary>What a command does with a file that an option or an argument names.</summary>
internal enum FileUse
{
    /// <summary>Reads it, a regular file.</summary>
    Input,

    /// <summary>Reads it as text, from a regular file or a pipe.</summary>
    Text,

    /// <summary>Reads it, unless it is the name of a preset.</summary>
    Policy,

    /// <summary>Writes it.</summary>
    Output,
}
