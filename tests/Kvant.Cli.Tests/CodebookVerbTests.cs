using System.Text.Json;

namespace Kvant.Cli.Tests;

public sealed class CodebookVerbTests
{
    [Fact]
    public void CentroidsAreForUnitVectorsAndSymmetric()
    {
        JsonElement codebook = ToolResult.JsonOf("codebook", "--dimension", "128", "--bits", "3");
        double[] centroids = [.. codebook.GetProperty("centroids").EnumerateArray().Select(c => c.GetDouble())];
        Assert.Equal(8, centroids.Length);
        for (int i = 0; i < 4; i++)
            Assert.Equal(-centroids[i], centroids[7 - i], 9);
        Assert.Equal(centroids.Order(), centroids);
        // A coordinate of a random unit vector of 128 numbers has a standard deviation of 1/sqrt(128) = 0.088.
        Assert.InRange(centroids[7], 0.18, 0.19);
    }

    [Theory]
    [InlineData(1, .360889)]
    [InlineData(2, .116000)]
    [InlineData(3, .033966)]
    public void NmseIsTheOptimumOfTheExactDensity(int bits, double expected) =>
        Assert.Equal(expected, ToolResult.JsonOf("codebook", "--bits", $"{bits}").GetProperty("nmse").GetDouble(), 5);

    [Fact]
    public void TableShowsTheError() => Assert.Contains("0.033966", ToolResult.Of("codebook").Out, StringComparison.Ordinal);

    [Theory]
    [InlineData("--bits", "0")]
    [InlineData("--bits", "9")]
    [InlineData("--bits", "three")]
    [InlineData("--bits", "3.0")]
    [InlineData("--dimension", "2")]
    [InlineData("--dimension", "4097")]
    [InlineData("--dimension", "-8")]
    public void NumberOutsideItsRangeIsWrongUsage(string option, string value) =>
        ToolResult.Of("codebook", option, value).AssertFailed(2, option, $"'{value}'", "whole number");

    [Fact]
    public void OptionWithoutItsNumberIsWrongUsage() => ToolResult.Of("codebook", "--bits").AssertFailed(2, "--bits");

    [Fact]
    public void OptionTwiceIsWrongUsage() => ToolResult.Of("codebook", "--bits", "3", "--bits", "4").AssertFailed(2, "--bits");
}
