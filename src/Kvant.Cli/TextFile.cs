using System.Text;

namespace Kvant.Cli;

/// <summary>Plain text as input, from a file or a pipe.</summary>
internal static class TextFile
{
    // A text of this size takes a model days; a pipe may have no end.
    private const int MostBytes = 64 << 20;

    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a text in UTF-8.</summary>
    /// <exception cref="InvalidDataException">It is empty, too long, or no UTF-8.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static string Read(string path)
    {
        using var reader = new StreamReader(Bytes(path), s_strict);
        string text;
        try
        {
            text = reader.ReadToEnd();
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException($"{path}: no text in UTF-8: the bytes at offset {e.Index} are none", e);
        }

        return text.Length > 0 ? text : throw new InvalidDataException($"{path}: the text is empty");
    }

    private static MemoryStream Bytes(string path)
    {
        using FileStream stream = File.OpenRead(path);
        if (stream.CanSeek && stream.Length > MostBytes)
            throw new InvalidDataException($"{path}: the text has {stream.Length} bytes; at most {MostBytes} are read");
        var bytes = new MemoryStream();
        byte[] piece = new byte[1 << 16];
        for (int count; (count = stream.Read(piece)) > 0;)
        {
            bytes.Write(piece, 0, count);
            if (bytes.Length > MostBytes)
                throw new InvalidDataException($"{path}: the text does not end after {MostBytes} bytes, which are the most that are read");
        }

        bytes.Position = 0;
        return bytes;
    }
}
