using System.Text;
using Kvant.Formats;
using Kvant.Tests.Formats;

namespace Kvant.Fuzz.Targets;

/// <summary>Npy: the header and the last row.</summary>
internal static class NpyTarget
{
    internal static FuzzTarget Target { get; } = new("npy", Corpus, Read, static e => e is InvalidDataException);

    private static byte[][] Corpus()
    {
        using TemporaryFolder folder = new();
        NpyFile.Write(folder.File("written"), 3, 2, [1, 2, 3, 4, 5, 6]);
        byte[] written = File.ReadAllBytes(folder.File("written"));
        // Version 2 has four bytes of length.
        byte[] header = Encoding.ASCII.GetBytes("{'descr': '<f2', 'fortran_order': False, 'shape': (2, 2), }".PadRight(115) + "\n");
        return [written, [.. written.AsSpan(0, 6), 2, 0, .. BitConverter.GetBytes(header.Length), .. header, .. new byte[8]]];
    }

    private static void Read(FuzzInput input)
    {
        using NpyFile file = NpyFile.Open(input.Path);
        // Rows as wide as the file claims need bytes that are there, unless there are no rows.
        if (file.Rows > 0)
            file.ReadRows(file.Rows - 1, new float[file.Columns]);
    }
}
