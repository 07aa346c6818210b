using Kvant.Attention;
using Kvant.Kernels;
using Kvant.Tests.Kernels;

namespace Kvant.Tests.Attention;

/// <summary>Attention settings at every width of the kernels.</summary>
internal sealed record SimdSettings(AttentionSettings Settings, SimdWidth Width)
{
    public static IEnumerable<SimdSettings> All(IEnumerable<AttentionSettings> settings) =>
        settings.SelectMany(s => Widths.All.Select(w => new SimdSettings(s, w)));

    /// <summary>Runs a test at the width.</summary>
    public void Do(Action test) => Widths.Do(Width, test);
}
