using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>Tests that set the width of the kernels; they run one after the other, beside no other test.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Widths
{
    public const string Name = "widths";

    /// <summary>Marks the tests that each width leg runs again in a process of its own.</summary>
    public const string Trait = "leg";

    /// <summary>Names the width that a leg claims; set in the leg's process only.</summary>
    public const string Expected = "KVANT_EXPECTED_WIDTH";

    /// <summary>All widths; in a leg the scalar loops and the width that the process has.</summary>
    public static SimdWidth[] All { get; } = Environment.GetEnvironmentVariable(Expected) is null
        ? [SimdWidth.Scalar, SimdWidth.Bits128, SimdWidth.Bits256, SimdWidth.Bits512]
        : [SimdWidth.Scalar, SimdSupport.Widest];

    /// <summary>Runs an action at every width (those that the machine lacks are emulated) and returns the results.</summary>
    internal static T[] AtEach<T>(Func<T> action)
    {
        SimdWidth before = SimdSupport.Active;
        try
        {
            return [.. All.Select(width =>
            {
                SimdSupport.Active = width;
                return action();
            })];
        }
        finally
        {
            SimdSupport.Active = before;
        }
    }
}
