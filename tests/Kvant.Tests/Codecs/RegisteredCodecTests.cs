using Kvant.Attention;
using Kvant.Caching;
using Kvant.Codecs;
using Kvant.Formats;
using Kvant.Tests.Attention;
using Kvant.Tests.Formats;

namespace Kvant.Tests.Codecs;

/// <summary>A codec that Kvant does not know enters caches and files once it is registered; what could not be written or read as a spec is refused before.</summary>
public sealed class RegisteredCodecTests
{
    public RegisteredCodecTests() => CodecCatalog.Register(CoarseCodec.Method);

    [Fact]
    public void CodecOfAStrangersLivesInACache()
    {
        CodecCatalog.Register(CoarseCodec.Method); // twice is fine
        Assert.Same(CoarseCodec.Method, Assert.Single(CodecCatalog.Registered, m => m.Name == "test-coarse"));
        Assert.DoesNotContain(CoarseCodec.Method, CodecCatalog.Methods);
        Assert.Equal("test-coarse:bits=4", CodecSpec.Parse("test-coarse:bits=4").ToString());

        using var cache = new KvCache(AttentionCases.Options(AttentionCases.Geometry(group: 3), "test-coarse:bits=4", "test-coarse:rows=4"));
        AttentionCases.Append(cache, 300, seed: 1);
        AttentionCases.AssertDecode(cache, new AttentionSettings { Arithmetic = Arithmetic.Exact }, "coarse");
        byte[] frozen = cache.Freeze();
        using KvCache thawed = KvCache.Thaw(frozen);
        Assert.Equal(frozen, thawed.Freeze());
        Assert.Equal(1, thawed.Statistics.CompressionRatio, 0.6); // a byte a number, and a window
    }

    [Fact]
    public void FileOfAMethodThatNobodyRegisteredNamesIt()
    {
        using var cache = new KvCache(AttentionCases.Options(AttentionCases.Geometry(), "test-coarse"));
        AttentionCases.Append(cache, 100, seed: 1);
        byte[] frozen = cache.Freeze();
        string message = Assert.Throws<InvalidDataException>(() => KvCache.Thaw(CacheBytes.Edit(frozen, "test-coarse", "test-nobody"))).Message;
        Assert.Contains("Unknown codec 'test-nobody'", message, StringComparison.Ordinal);
        Assert.Contains("test-coarse", message, StringComparison.Ordinal); // those that are known here, registered ones too
        Assert.Contains("turboquant", message, StringComparison.Ordinal);
    }

    [Fact]
    public void NamesOfMethodsAreTakenOnce()
    {
        Assert.Contains("already", Assert.Throws<ArgumentException>(() => CodecCatalog.Register(Method("q8"))).Message, StringComparison.Ordinal);
        Assert.Contains("already", Assert.Throws<ArgumentException>(() => CodecCatalog.Register(Method("test-coarse"))).Message, StringComparison.Ordinal);
        foreach (string name in s_noNames)
            Assert.Contains($"'{name}' is no name", Assert.Throws<ArgumentException>(() => Method(name)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SettingsThatNoSpecCouldSayAreRefused()
    {
        foreach (string name in s_noNames)
        {
            RefusesSetting($"'{name}' is no name", () => CodecSetting.Number(name, 1, 0, 2, ""));
            RefusesSetting($"'{name}' is no name", () => CodecSetting.Choice(name, "x", ["x"], ""));
        }

        foreach (string value in (string[])["", "a,b", "a=b", "a:b", "a b", "a\n", "A", "a|b", "ä"])
            RefusesSetting($"'{value}' is no value", () => CodecSetting.Choice("a", "x", ["x", value], ""));
        RefusesSetting("no choices", () => CodecSetting.Choice("a", "", [], ""));
        RefusesSetting("stands twice: x|y|x", () => CodecSetting.Choice("a", "x", ["x", "y", "x"], ""));
        RefusesSetting("'a=z' is not allowed; a is x|y", () => CodecSetting.Choice("a", "z", ["x", "y"], ""));
        RefusesSetting("'a=0' is not allowed; a is 1..4", () => CodecSetting.Number("a", 0, 1, 4, ""));
        RefusesSetting("'a=5' is not allowed; a is 1..4", () => CodecSetting.Number("a", 5, 1, 4, ""));
        RefusesSetting("from -1 to 4", () => CodecSetting.Number("a", 1, -1, 4, ""));
        RefusesSetting("from 4 to 1", () => CodecSetting.Number("a", 4, 4, 1, ""));
        Assert.Throws<ArgumentNullException>(() => CodecSetting.Choice("a", "x", ["x", null!], ""));
        Assert.Throws<ArgumentNullException>(() => Method("a", null!));
    }

    [Fact]
    public void SettingsOfAMethodDifferAndMeanWhatTheyMeanElsewhere()
    {
        RefusesSetting("named 'a'", () => Method("twice", CodecSetting.Number("a", 1, 1, 2, ""), CodecSetting.Choice("a", "x", ["x"], "")));
        foreach (CodecSetting clash in (CodecSetting[])[
            CodecSetting.Choice("bits", "many", ["many"], ""), CodecSetting.Number("bits", 64, 1, 64, ""), CodecSetting.Choice("seed", "x", ["x"], ""), CodecSetting.Number("mean", 32, 0, 32, ""),
            CodecSetting.Choice("scale", "largest", ["largest", "norm"], ""), CodecSetting.Choice("rotation", "left", ["left"], ""), CodecSetting.Choice("frame", "1", ["1"], "")])
        {
            RefusesSetting($"'{clash.Name}' of 'clash' is {clash.Allowed};", () => Method("clash", clash));
        }

        Method("agrees", CodecSetting.Choice("bits", "2", ["2", "4"], ""), CodecSetting.Number("seed", 0, 0, 9, ""), CodecSetting.Choice("rotation", "none", ["none", "hadamard"], ""));
    }

    [Fact]
    public void WhatTheCallerDoesToItsListsLaterChangesNothing()
    {
        string[] choices = ["x", "y"];
        CodecSetting[] settings = [CodecSetting.Choice("a", "x", choices, "")];
        CodecMethod method = Method("test-kept", settings);
        CodecCatalog.Register(method);
        (choices[1], settings[0]) = ("z", CodecSetting.Number("b", 1, 1, 2, ""));
        Assert.Equal("test-kept:a=y", CodecSpec.Parse("test-kept:a=y").FullText);
        foreach (object list in (object[])[method.Settings, method.Settings[0].Choices, CodecCatalog.Registered, CodecCatalog.Methods])
            Assert.True(((System.Collections.IList)list).IsReadOnly, $"{list.GetType()} can be written to.");
    }

    [Fact]
    public void OneSettingIsChangedAtATime()
    {
        CodecSpec spec = CodecSpec.Parse("test-coarse:rows=4");
        Assert.Equal("test-coarse:bits=8,rows=4", spec.With("bits", "8").FullText);
        Assert.Throws<FormatException>(() => spec.With("bits", "8,rows=1")); // was two settings, and the second was lost
        Assert.Throws<FormatException>(() => spec.With("bits=8,rows", "1"));
    }

    [Fact]
    public void StepsThatALimitWouldNotSeeAreRefused()
    {
        Assert.Throws<ArgumentNullException>(() => new CodecMethod("test-null", "", [], Create) { Steps = null! });
        Assert.Contains("takes -1 steps", Assert.Throws<ArgumentException>(() => CodecCatalog.Register(new("test-less", "", [], Create) { Steps = (_, _) => -1 })).Message, StringComparison.Ordinal);
        Assert.Null(CodecCatalog.Find("test-less"));

        // Less than none for other settings than the defaults, and so many that a sum of them is less than none.
        CodecCatalog.Register(new("test-steps", "", [CodecSetting.Choice("say", "none", ["none", "less", "endless"], "")], Create)
        {
            Steps = (spec, _) => spec["say"] switch { "less" => long.MinValue, "endless" => long.MaxValue, _ => 0 },
        });
        CacheGeometry geometry = AttentionCases.Geometry();
        void Count(string spec) => PolicyCost.RequireFewSteps(LayerPolicy.Uniform(1, CodecSpec.Parse(spec), CodecSpec.Parse(spec)), geometry);
        Count("test-steps");
        Assert.Contains("test-steps", Assert.Throws<InvalidOperationException>(() => Count("test-steps:say=less")).Message, StringComparison.Ordinal);
        Assert.Contains($"{long.MaxValue}", Assert.Throws<ArgumentException>(() => Count("test-steps:say=endless")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MethodThatMakesSomethingElseIsFoundOut()
    {
        CodecCatalog.Register(s_wrong);
        Assert.Contains("test-wrong", Assert.Throws<InvalidOperationException>(() => CodecSpec.Parse("test-wrong").CreateCodec(64)).Message, StringComparison.Ordinal);
    }

    private static readonly CodecMethod s_wrong = new("test-wrong", "rows of another length", [], (spec, d, role) => Create(spec, d + 1, role));
    private static readonly string[] s_noNames = ["", "Q8", "1x", "-x", "a b", "a:b", "a,b", "a=b", "a\t", "ä"];

    private static CodecMethod Method(string name, params CodecSetting[] settings) => new(name, "another", settings, Create);

    private static CoarseCodec Create(CodecSpec spec, int dimension, CodecRole role) => new(dimension, 1, 3);

    private static void RefusesSetting(string said, Func<object> make) => Assert.Contains(said, Assert.Throws<ArgumentException>(make).Message, StringComparison.Ordinal);
}
