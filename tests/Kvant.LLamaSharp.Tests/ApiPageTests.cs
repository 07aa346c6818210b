namespace Kvant.LLamaSharp.Tests;

public sealed class ApiPageTests
{
    [Fact]
    public void PageOfEveryPublicMemberIsThatOfTheCode() => Assert.True(
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "api-engines.md")).Contains(ApiPage.Page.PartOf(typeof(CompressedStates).Assembly), StringComparison.Ordinal),
        "docs/api-engines.md is not what the code shows: eng/public-api.sh writes it anew.");
}
