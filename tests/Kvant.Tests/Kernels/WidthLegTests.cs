using Kvant.Kernels;

namespace Kvant.Tests.Kernels;

[Collection(Widths.Name)]
public sealed class WidthLegTests(WidthLegs legs)
{
    public static TheoryData<string> Settings => [.. WidthLegs.Settings.Keys];

    [Theory]
    [MemberData(nameof(Settings))]
    public async Task EveryWidthPassesNatively(string setting)
    {
        (int Code, string Output)? leg = await legs.Finish(setting);
        Assert.SkipWhen(leg is null, $"This machine has no {WidthLegs.Settings[setting].Width}-bit registers; the path was run emulated by the tests of this trait in this process.");
        Assert.True(leg!.Value.Code == 0, $"{setting}=0: exit code {leg.Value.Code}\n{leg.Value.Output}");
    }

    [Fact]
    [Trait(Widths.Trait, "width")]
    public void WidthIsTheOneThatTheLegClaims()
    {
        string? expected = Environment.GetEnvironmentVariable(Widths.Expected);
        Assert.SkipWhen(expected is null, "Only a leg claims a width.");
        Assert.Equal((SimdWidth)int.Parse(expected!), SimdSupport.Widest);
    }

    [Fact]
    [Trait(Widths.Trait, "width")]
    public void BytesAreMultipliedAsTheLegClaims()
    {
        string? expected = Environment.GetEnvironmentVariable(Widths.ExpectedProducts);
        Assert.SkipWhen(expected is null, "Only a leg claims how bytes are multiplied.");
        Assert.Equal(expected, SimdSupport.ByteProducts ?? "");
        Assert.Equal(expected is "SDOT" or "SMULL", TileSimd128.AddsProducts);
    }
}
