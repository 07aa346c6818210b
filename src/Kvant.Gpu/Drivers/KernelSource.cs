using System.Text;

namespace Kvant.Gpu.Drivers;

/// <summary>The text of the kernels, which this assembly holds.</summary>
internal static class KernelSource
{
    /// <summary>As OpenCL takes it.</summary>
    public static string OpenCl { get; } = $"#define FUNCTION static inline\n{Text("unpack.cl")}{Text("attend.cl")}";

    private static string Text(string name)
    {
        using Stream stream = typeof(KernelSource).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"The assembly lacks {name}.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
