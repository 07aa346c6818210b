using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

/// <summary>Tests that set the width of the kernels; they run one after the other, beside no other test but those of <see cref="WidthLegs"/>.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Widths : ICollectionFixture<WidthLegs>
{
    public const string Name = "widths";

    /// <summary>Marks the tests that each width leg runs again in a process of its own.</summary>
    public const string Trait = "leg";

    /// <summary>Names the width that a leg claims; set in the leg's process only.</summary>
    public const string Expected = "KVANT_EXPECTED_WIDTH";

    /// <summary>Names the instruction that a leg claims bytes are multiplied with, nothing for none; set in the leg's process only.</summary>
    public const string ExpectedProducts = "KVANT_EXPECTED_PRODUCTS";

    /// <summary>All widths; in a leg the scalar loops and the width that the process has.</summary>
    internal static SimdWidth[] All { get; } = Environment.GetEnvironmentVariable(Expected) is null
        ? [SimdWidth.Scalar, SimdWidth.Bits128, SimdWidth.Bits256, SimdWidth.Bits512]
        : [.. new[] { SimdWidth.Scalar, SimdSupport.Widest }.Distinct()];

    /// <summary>The width that the process has, and outside a leg those that the machine lacks, for tests that need no scalar loop to compare with: the legs have the others.</summary>
    internal static SimdWidth[] Native { get; } = [.. All.Where(width => width >= SimdSupport.Widest)];

    /// <summary>Runs an action at every width (those that the machine lacks are emulated) and returns the results.</summary>
    internal static T[] AtEach<T>(Func<T> action) => At(All, action);

    /// <summary>Runs an action at some widths and returns the results.</summary>
    internal static T[] At<T>(SimdWidth[] widths, Func<T> action)
    {
        var results = new List<T>();
        foreach (SimdWidth width in widths)
            Do(width, () => results.Add(action()));
        return [.. results];
    }

    /// <summary>Runs an action at a width. The whole process has it meanwhile, so only tests of this collection may: the answers of others that ran beside them would change.</summary>
    internal static void Do(SimdWidth width, Action action)
    {
        Assert.Equal(Name, TestContext.Current.TestCollection?.TestCollectionDisplayName);
        SimdWidth before = SimdSupport.Active;
        try
        {
            SimdSupport.Active = width;
            action();
        }
        finally
        {
            SimdSupport.Active = before;
        }
    }
}
