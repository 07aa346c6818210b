using System.Text;

namespace Kvant.Gpu.Drivers;

/// <summary>A text of kernels, which this assembly holds.</summary>
internal sealed class KernelSource
{
    // What is equal on the processor must be equal here: no option that would let the compiler round otherwise, and division and square root that are rounded correctly.
    private const string Exactly = "-cl-fp32-correctly-rounded-divide-sqrt";

    private KernelSource(string options, params string[] names) =>
        (Options, OpenCl) = (options, $"#define FUNCTION static inline\n{string.Concat(names.Select(Text))}");

    /// <summary>The kernels of attention.</summary>
    public static KernelSource OfAttention { get; } = new("", "common.cl", "unpack.cl", "attend.cl");

    /// <summary>The kernels that encode.</summary>
    public static KernelSource OfEncoding { get; } = new(Exactly, "common.cl", "encode.cl", "choose.cl");

    /// <summary>What a compiler must be told beside macros.</summary>
    public string Options { get; }

    /// <summary>As OpenCL takes it.</summary>
    public string OpenCl { get; }

    private static string Text(string name)
    {
        using Stream stream = typeof(KernelSource).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"The assembly lacks {name}.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
