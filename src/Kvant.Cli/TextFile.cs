using System.Text;

namespace Kvant.Cli;

/// <summary>Plain text as input.</summary>
internal static class TextFile
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a text in UTF-8.</summary>
    /// <exception cref="InvalidDataException">It is empty, or no UTF-8.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static string Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path, s_strict);
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException($"{path}: no text in UTF-8: the bytes at offset {e.Index} are none", e);
        }

        return text.Length > 0 ? text : throw new InvalidDataException($"{path}: the text is empty");
    }
}
