using System.Diagnostics;
using System.Text.RegularExpressions;
using Kvant.Gpu.Drivers;

namespace PtxKernels;

/// <summary>Compiles by clang, and asks ptxas, where it is there, what a card would make of it.</summary>
/// <param name="folder">What keeps the files.</param>
internal sealed class Compiler(string folder)
{
    private static readonly string[] s_options =
    [
        "-x", "cuda", "-O3", "-S", "-nocudainc", "-nocudalib", "--cuda-device-only", "--cuda-gpu-arch=sm_80", "-Xclang", "-target-feature", "-Xclang", "+ptx72", "-Wno-unknown-cuda-version",
    ];

    private readonly bool _assembles = Run("ptxas", ["--version"]).Code == 0;
    private int _number;

    /// <summary>What was asked of ptxas, in words.</summary>
    public string Assembled => _assembles ? "ptxas takes all of them for compute capability 9.0" : "no ptxas in the path";

    /// <summary>Compiles one program.</summary>
    public Compiled Compile(KernelSource source, string macros)
    {
        string path = Path.Combine(folder, $"{source.Name}-{Interlocked.Increment(ref _number)}");
        File.WriteAllText($"{path}.cu", source.Cuda);
        string[] exactly = source == KernelSource.OfEncoding ? ["-ffp-contract=off"] : [];
        (int code, string said) = Run("clang-14", [.. s_options, .. exactly, .. macros.Split(' '), "-o", $"{path}.ptx", $"{path}.cu"]);
        if (code != 0)
            throw new InvalidOperationException($"clang-14 refuses {source.Name} {macros}: {said}");
        string text = Strip(File.ReadAllText($"{path}.ptx"));
        File.WriteAllText($"{path}.ptx", $"// {macros}\n{text}");
        string assembled = _assembles ? Run("ptxas", ["-arch=sm_90", "-v", "-o", $"{path}.cubin", $"{path}.ptx"]).Said : "";
        return new(source, macros, text, assembled);
    }

    // Comments, blank lines and what stands at the beginning of lines.
    private static string Strip(string ptx) =>
        string.Concat(ptx.Split('\n').Select(line => Regex.Replace(line, "//.*", "").Trim()).Where(line => line.Length > 0).Select(line => $"{Regex.Replace(line, @"\s+", " ")}\n"));

    private static (int Code, string Said) Run(string program, string[] arguments)
    {
        try
        {
            var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
            using Process process = Process.Start(start)!;
            Task<string> said = process.StandardOutput.ReadToEndAsync();
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, errors + said.Result);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return (-1, $"{program} is not there");
        }
    }
}
