using System.Text;
using Kvant.Formats;
using Microsoft.Win32.SafeHandles;

namespace Kvant.Cli.Output;

/// <summary>
/// The standard output and error of this process, which its parent may have closed (<c>2>&amp;-</c>) or may stop reading
/// (<c>| head -1</c>). A closed one fails where results are written and is silent where errors are; its number is taken, so that
/// no file that is opened later gets what was meant for it.
/// </summary>
internal static class StandardStreams
{
    private const int MostDescriptors = 3, BrokenPipe = 32;

    private static readonly bool[] s_open = [.. Enumerable.Range(0, MostDescriptors).Select(d => OperatingSystem.IsWindows() || LibC.IsInherited(d))];
    private static readonly List<SafeFileHandle> s_taken = Take();

    /// <summary>The standard output.</summary>
    public static TextWriter Out => !IsOpen(1) ? new ClosedWriter(fails: true) : IsPipe(1) ? Pipe(1) : Console.Out;

    /// <summary>The standard error.</summary>
    public static TextWriter Error => !IsOpen(2) ? new ClosedWriter(fails: false) : Console.Error;

    /// <summary>Whether a descriptor came open from the parent.</summary>
    public static bool IsOpen(int descriptor) => s_open[descriptor] && s_taken is not null;

    private static bool IsPipe(int descriptor) => FileIdentity.Of(descriptor) is { Type: FileType.Pipe or FileType.Socket };

    // .NET's own stream goes on without a word when nobody reads any more.
    private static PipeWriter Pipe(int descriptor)
    {
        var stream = new FileStream(new SafeFileHandle(descriptor, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        Encoding encoding = Console.OutputEncoding is UTF8Encoding ? new UTF8Encoding(encoderShouldEmitUTF8Identifier: false) : Console.OutputEncoding;
        return new PipeWriter(stream, encoding) { AutoFlush = true };
    }

    private static List<SafeFileHandle> Take()
    {
        List<SafeFileHandle> taken = [];
        if (!s_open.Contains(false))
            return taken;
        SafeFileHandle handle = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        for (; handle.DangerousGetHandle() < MostDescriptors; handle = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite))
            taken.Add(handle);
        handle.Dispose();
        return taken;
    }

    private sealed class PipeWriter(Stream stream, Encoding encoding) : StreamWriter(stream, encoding)
    {
        public override void Write(string? value) => Try(() => base.Write(value));

        public override void WriteLine(string? value) => Try(() => base.WriteLine(value));

        private static void Try(Action write)
        {
            try
            {
                write();
            }
            catch (IOException e) when (e.HResult == BrokenPipe)
            {
                throw new BrokenPipeException(e);
            }
        }
    }

    private sealed class ClosedWriter(bool fails) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value)
        {
            if (fails)
                throw new IOException("the standard output is closed");
        }
    }
}
