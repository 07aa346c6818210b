using Kvant.Codecs;

namespace Kvant.Tests.Laws;

/// <summary>A spec is text: it survives the way to a codec and back, and a wrong one says what would be right.</summary>
public sealed class SpecLaws
{
    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void SpecSurvivesItsShortAndItsFullText(string text)
    {
        CodecSpec spec = CodecSpec.Parse(text);
        Assert.Equal(spec, CodecSpec.Parse(spec.FullText));
        Assert.Equal(spec, CodecSpec.Parse(spec.ToString()));
        Assert.Equal(spec.FullText, CodecSpec.Parse(spec.ToString()).FullText);
        Assert.Equal(spec.GetHashCode(), CodecSpec.Parse(spec.FullText).GetHashCode());
        foreach (CodecSetting setting in spec.Method.Settings)
        {
            // What came when files existed is left out where it is as it was for them.
            bool written = !setting.IsLater || spec[setting.Name] != setting.Default;
            Assert.Equal(written, spec.FullText.Contains($"{setting.Name}={spec[setting.Name]}", StringComparison.Ordinal));
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.SpecsOfDimension128), MemberType = typeof(CodecCases))]
    public void FullTextMakesTheSameBytes(string text)
    {
        Codec codec = CodecCases.Create(text, 128), again = CodecCases.Create(CodecSpec.Parse(text).FullText, 128);
        float[] rows = TestRows.Gaussian(codec.RowsPerBlock, 128, seed: 8);
        Assert.Equal(CodecCases.Encode(codec, rows), CodecCases.Encode(again, rows));
    }

    [Theory]
    [MemberData(nameof(CodecCases.Specs), MemberType = typeof(CodecCases))]
    public void SizesAreWhatTheSpecSays(string text)
    {
        foreach ((Codec codec, string name) in CodecCases.All(text))
        {
            double values = codec.RowsPerBlock * codec.Dimension;
            Assert.Equal(8 * codec.BytesPerBlock / values, codec.BitsPerValue, 1e-12);
            Assert.Equal(16 * values / (8 * codec.BytesPerBlock), codec.CompressionRatio, 1e-12);
            Assert.True(codec.Dimension > 0 && codec.RowsPerBlock > 0, name);
        }
    }

    [Fact]
    public void UnknownMethodIsRefusedWithTheKnownOnes()
    {
        string message = Assert.Throws<FormatException>(() => CodecSpec.Parse("turboqant:bits=3")).Message;
        Assert.All(CodecCases.Known, m => Assert.Contains(m.Name, message, StringComparison.Ordinal));
        Assert.Contains("turboqant", message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(CodecCases.Methods), MemberType = typeof(CodecCases))]
    public void UnknownSettingIsRefusedWithTheKnownOnes(string method)
    {
        string message = Assert.Throws<FormatException>(() => CodecSpec.Parse($"{method}:bitz=3")).Message;
        Assert.Contains("bitz", message, StringComparison.Ordinal);
        Assert.All(CodecCatalog.Find(method)!.Settings, s => Assert.Contains(s.Name, message, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(CodecCases.Methods), MemberType = typeof(CodecCases))]
    public void WrongValueIsRefusedWithTheAllowedOnes(string method)
    {
        foreach (CodecSetting setting in CodecCatalog.Find(method)!.Settings)
        {
            foreach (string value in (string[])["", "x", "-1", "01", "+1", " 1", "1.0", "99999999999999999999"])
            {
                string message = Assert.Throws<FormatException>(() => CodecSpec.Parse($"{method}:{setting.Name}={value}")).Message;
                Assert.Contains(setting.Allowed, message, StringComparison.Ordinal);
            }
        }
    }

    /// <summary>Whatever a method would make of such numbers: files bring them.</summary>
    [Theory]
    [MemberData(nameof(CodecCases.Methods), MemberType = typeof(CodecCases))]
    public void DimensionThatNoRowHasIsRefusedBeforeTheMethodSeesIt(string method)
    {
        CodecSpec spec = CodecSpec.Parse(method);
        foreach (int dimension in (int[])[int.MinValue, -1, 0, Codec.MaxDimension + 1, int.MaxValue])
        {
            Assert.Contains("A row has 1 to 4096 numbers", Assert.Throws<ArgumentOutOfRangeException>(() => spec.CreateCodec(dimension)).Message, StringComparison.Ordinal);
            Assert.Contains("A row has 1 to 4096 numbers", Assert.Throws<ArgumentOutOfRangeException>(() => spec.StepsToCreate(dimension)).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Methods), MemberType = typeof(CodecCases))]
    public void SettingThatStandsTwiceIsRefused(string method)
    {
        foreach (CodecSetting setting in CodecCatalog.Find(method)!.Settings)
        {
            string pair = $"{setting.Name}={setting.Default}";
            string message = Assert.Throws<FormatException>(() => CodecSpec.Parse($"{method}:{pair},{pair}")).Message;
            Assert.Contains(setting.Name, message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(CodecCases.Methods), MemberType = typeof(CodecCases))]
    public void BrokenTextIsRefused(string method)
    {
        foreach (string text in (string[])["", ":", $"{method}:", $"{method},", $" {method}", $"{method} ", method.ToUpperInvariant(), $"{method}:=", $"{method}:,", $"{method}::bits=3"])
            Assert.Throws<FormatException>(() => CodecSpec.Parse(text));
    }

    [Fact]
    public void CatalogueHasEveryMethodOnceInLowerCase()
    {
        Assert.All(CodecCatalog.Methods, m =>
        {
            Assert.Equal(m.Name, m.Name.ToLowerInvariant());
            Assert.Same(m, CodecCatalog.Find(m.Name));
            Assert.NotEmpty(m.Summary);
            Assert.Equal(m.Settings.Count, m.Settings.Select(s => s.Name).Distinct().Count());
            Assert.All(m.Settings, s => Assert.True(s.Accepts(s.Default), $"{m.Name}: the default {s.Name}={s.Default} is not {s.Allowed}."));
        });
    }
}
