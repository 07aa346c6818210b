using System.Globalization;
using System.Text.RegularExpressions;
using Kvant.Gpu.Drivers;

namespace PtxKernels;

/// <summary>Kernels of one source for some macros, as PTX, and what can be read off it.</summary>
/// <param name="Source">What they are.</param>
/// <param name="Macros">For what.</param>
/// <param name="Text">The PTX, without what is only for readers.</param>
/// <param name="Assembled">What ptxas says of it; empty where it is not there.</param>
internal sealed record Compiled(KernelSource Source, string Macros, string Text, string Assembled)
{
    // Bytes that ptxas may put aside where its own choice of registers is short of a few.
    private const int MostSpilled = 128;

    /// <summary>Whether it stands for others in what is printed: four queries of a token.</summary>
    public bool IsShown => Source == KernelSource.OfEncoding ? Macros.Contains("SINGLE_ROWS=0", StringComparison.Ordinal) : Macros.EndsWith("-DGROUP=4 -DTOKENS=1", StringComparison.Ordinal);

    /// <summary>Why it must not be used; null where it may.</summary>
    public string? Wrong
    {
        get
        {
            int own = Count(@"\b(ld|st)\.local"), other = Source == KernelSource.OfEncoding ? Count(@"fma\.|\.approx|\.ftz|\.full") : 0;
            return own > 0 ? $"{Source.Name} {Macros}: {own} loads and stores of a work-item's own memory"
                : other > 0 ? $"{Source.Name} {Macros}: {other} instructions that round otherwise than the processor"
                : Assembled.Contains("error", StringComparison.OrdinalIgnoreCase) || Numbers(@"(\d+) bytes spill") > MostSpilled ? $"{Source.Name} {Macros}: {Assembled}"
                : null;
        }
    }

    /// <summary>What a reader wants to know.</summary>
    public string Summary => string.Create(
        CultureInfo.InvariantCulture,
        $"{Text.Length,7} bytes {Shared,6} shared {Count(@"ld\.global"),4} loads {Count(@"\bfma\.|mul\.(rn\.)?f32"),4} products {Count(@"\b(ld|st)\.local"),3} own {Registers,4} registers  {Source.Name} {Short}");

    // The largest of its kernels.
    private int Shared => Text.Split(".entry").Max(kernel => Regex.Matches(kernel, @"^\.shared .*\[(\d+)\]", RegexOptions.Multiline).Sum(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)));

    private string Registers => Assembled.Length > 0 ? Numbers(@"Used (\d+) registers").ToString(CultureInfo.InvariantCulture) : "?";

    private string Short => string.Join(' ', Macros.Split(' ').Where(macro => Regex.IsMatch(macro, "^-D(KD|D|[KV]_NUMBERS|[KV]_BITS|NUMBERS|BITS|WAVES|PAGED|TURNS|NEIGHBORS|KEYS)=")).Select(macro => macro[2..]));

    // The largest that ptxas says.
    private int Numbers(string pattern) => Regex.Matches(Assembled, pattern).Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture)).DefaultIfEmpty(0).Max();

    private int Count(string pattern) => Regex.Count(Text, pattern);
}
