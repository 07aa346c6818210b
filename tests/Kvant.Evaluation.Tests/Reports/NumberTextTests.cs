using System.Globalization;
using Kvant.Evaluation.Reports;

namespace Kvant.Evaluation.Tests.Reports;

public sealed class NumberTextTests
{
    [Theory]
    [InlineData(0, "0")]
    [InlineData(-0.0, "0")]
    [InlineData(1.234e-9, "1.2e-9")]
    [InlineData(-0.000012, "-1.2e-5")]
    [InlineData(0.000389, "0.00039")]
    [InlineData(0.00224, "0.00224")]
    [InlineData(999.4, "999")]
    [InlineData(4560, "4.6e3")]
    [InlineData(double.NegativeInfinity, "-∞")]
    [InlineData(double.NaN, "–")]
    public void ErrorsHaveTheirFirstDigits(double value, string wanted) => Assert.Equal(wanted, NumberText.Significant(value));

    [Theory]
    [InlineData(0, "0.00", "0")]
    [InlineData(1.004, "0.00", "1.00")]
    [InlineData(0.05, "0.00", "0.05")]
    [InlineData(0.004, "0.00", "0.0040")]
    [InlineData(-0.000012, "0.00", "-1.2e-5")]
    [InlineData(0.4, "0", "0.40")]
    [InlineData(0.02, "0.#", "0.020")]
    [InlineData(-0.0002, "+0.000;-0.000", "-0.00020")]
    [InlineData(0.0002, "+0.000;-0.000", "+0.00020")]
    [InlineData(0.0, "+0.000;-0.000", "0")]
    [InlineData(0.156, "+0.000;-0.000", "+0.156")]
    public void FixedDigitsGiveWayWhereTheyWouldAllBeZero(double value, string format, string wanted) => Assert.Equal(wanted, NumberText.Fixed(value, format));

    [Fact]
    public void WhatIsNotZeroNeverLooksLikeItAndReadsBackNearby()
    {
        for (double value = 1e-300; value < 1e300; value *= 3.7)
        {
            Assert.InRange(double.Parse(NumberText.Significant(value), CultureInfo.InvariantCulture) / value, .95, 1.05);
            Assert.InRange(double.Parse(NumberText.Significant(-value), CultureInfo.InvariantCulture) / value, -1.05, -.95);
            Assert.NotEqual(0, double.Parse(NumberText.Fixed(value, "0.00"), CultureInfo.InvariantCulture));
        }
    }
}
