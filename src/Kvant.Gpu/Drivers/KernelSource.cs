using System.Text;

namespace Kvant.Gpu.Drivers;

/// <summary>A text of kernels, which this assembly holds.</summary>
internal sealed class KernelSource
{
    // What is equal on the processor must be equal here: no option that would let the compiler round otherwise, and division and square root that are rounded correctly.
    private const string Exactly = "-cl-fp32-correctly-rounded-divide-sqrt";

    private KernelSource(string name, string options, params string[] names)
    {
        string text = string.Concat(names.Select(Text));
        (Name, Options, OpenCl, Cuda) = (name, options, $"#define FUNCTION static inline\n#define UNROLL_QUERIES\n{text}", Text("cuda.h") + text);
    }

    /// <summary>The kernels of attention.</summary>
    public static KernelSource OfAttention { get; } = new("attention", "", "common.cl", "codes.cl", "unpack.cl", "attend.cl", "merge.cl");

    /// <summary>The same on the matrix units of a card, of which OpenCL knows nothing.</summary>
    public static KernelSource OfTensors { get; } = new("tensors", "", "common.cl", "codes.cl", "fragments.cl", "tensors.cl", "merge.cl");

    /// <summary>The kernels that encode.</summary>
    public static KernelSource OfEncoding { get; } = new("encoding", Exactly, "common.cl", "encode.cl", "choose.cl");

    /// <summary>What they do.</summary>
    public string Name { get; }

    /// <summary>What a compiler of OpenCL must be told beside macros.</summary>
    public string Options { get; }

    /// <summary>As OpenCL takes it.</summary>
    public string OpenCl { get; }

    /// <summary>The same as CUDA.</summary>
    public string Cuda { get; }

    private static string Text(string name)
    {
        using Stream stream = typeof(KernelSource).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"The assembly lacks {name}.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
