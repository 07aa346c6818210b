using System.Collections.Concurrent;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Kvant.Gpu.Drivers;

namespace Kvant.Gpu.Kernels;

/// <summary>
/// The kernels that come compiled with the package, as PTX for CUDA's driver (<see cref="ReadyShapes"/> says which); <c>eng/PtxKernels</c> makes them. Those that differ in little lie in one compressed text, a family:
/// its first line says of what it was made, and each kernel's what it is.
/// </summary>
internal static class ReadyKernels
{
    // What a line begins with that is not PTX.
    private const string Mark = "//: ";

    // What kernels of a family may differ in comes behind this.
    private const string OfQueries = " -DGROUP=";

    // What each family has: texts are long, and needed once.
    private static readonly ConcurrentDictionary<string, HashSet<string>> s_names = new();

    /// <summary>Of what kernels would be made now; who finds another in a family (<see cref="Read"/>) has old ones.</summary>
    public static string TextOf(KernelSource source) => Hash(source.Cuda);

    /// <summary>Whether there are such kernels.</summary>
    public static bool Has(KernelSource source, string macros) => s_names.GetOrAdd(FamilyOf(source, macros), family => [.. Family(family).Keys]).Contains(macros);

    /// <summary>Their PTX; null where there is none.</summary>
    public static string? Find(KernelSource source, string macros) => Family(FamilyOf(source, macros)).GetValueOrDefault(macros);

    /// <summary>The file, and resource, in which kernels lie.</summary>
    public static string FamilyOf(KernelSource source, string macros)
    {
        int end = macros.IndexOf(OfQueries, StringComparison.Ordinal);
        return $"{source.Name}-{Hash(macros[..(end < 0 ? macros.IndexOf(' ', StringComparison.Ordinal) : end)])[..12]}.ptx.br";
    }

    /// <summary>Packs a family.</summary>
    /// <param name="source">Of what it was made.</param>
    /// <param name="kernels">For what macros each is, and its text.</param>
    public static byte[] Pack(KernelSource source, IEnumerable<(string Macros, string Text)> kernels)
    {
        byte[] all = Encoding.ASCII.GetBytes($"{Mark}{TextOf(source)}\n{string.Concat(kernels.Select(one => $"{Mark}{one.Macros}\n{one.Text}"))}"), packed = new byte[BrotliEncoder.GetMaxCompressedLength(all.Length)];
        // The largest window there is, so that what a kernel has in common with those before it is written once.
        return BrotliEncoder.TryCompress(all, packed, out int length, quality: 11, window: 24) ? packed[..length] : throw new InvalidOperationException("The kernels cannot be compressed.");
    }

    /// <summary>The way back: of what they were made, and the text of each.</summary>
    public static (string MadeOf, Dictionary<string, string> Texts) Read(Stream packed)
    {
        using var text = new StreamReader(new BrotliStream(packed, CompressionMode.Decompress), Encoding.ASCII);
        string[] parts = text.ReadToEnd().Split(Mark, StringSplitOptions.RemoveEmptyEntries);
        var texts = new Dictionary<string, string>();
        foreach (string part in parts.AsSpan(1))
        {
            int end = part.IndexOf('\n', StringComparison.Ordinal);
            texts.Add(part[..end], part[(end + 1)..]);
        }

        return (parts[0].TrimEnd(), texts);
    }

    private static Dictionary<string, string> Family(string name)
    {
        using Stream? packed = typeof(ReadyKernels).Assembly.GetManifestResourceStream(name);
        return packed is null ? [] : Read(packed).Texts;
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
