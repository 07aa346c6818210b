namespace Kvant.Codecs;

/// <summary>Settings that several methods share, so that the same word means the same thing everywhere.</summary>
internal static class CommonSettings
{
    private static readonly string[] ScaleNames = ["norm", "corrected", "leastsquares", "unbiased"];

    /// <summary>Names the random signs or matrices.</summary>
    public static CodecSetting Seed { get; } = CodecSetting.Number("seed", 0, 0, long.MaxValue, "names the random choice; part of the format");

    /// <summary>Which number is stored per row; in the order of <see cref="ScaleRule"/>.</summary>
    public static CodecSetting Scale { get; } = CodecSetting.Choice(
        "scale", "corrected", ScaleNames, "the stored number: norm (the paper), norm of the decoded row corrected, least squares, unbiased scores");

    /// <summary>Bits per number.</summary>
    public static CodecSetting Bits(int @default, int minimum, int maximum) =>
        CodecSetting.Number("bits", @default, minimum, maximum, "bits per number");

    /// <summary>The change of basis.</summary>
    public static CodecSetting Rotation(string @default) =>
        CodecSetting.Choice("rotation", @default, [.. Rotations.Rotation.Names], "the change of basis before coding");

    /// <summary>What is subtracted from rows before they are coded; see <see cref="CenteredCodec.Around"/>.</summary>
    public static CodecSetting Mean { get; } = CodecSetting.Choice(
        "mean", "0", ["0", "32", "64", "128", "head", "auto"], "rows whose mean is subtracted; head = that of the first 128 for all; auto = if it pays; 0 = none").AddedLater();

    /// <summary>How the mean is stored.</summary>
    public static CodecSetting MeanBits { get; } = CodecSetting.Choice("meanbits", "16", ["16", "8", "4"], "bits per number of the mean").AddedLater();

    /// <summary>What is learnt of a head; see <see cref="FramedCodec.Around"/>.</summary>
    public static CodecSetting Frame { get; } = CodecSetting.Choice(
        "frame", "0", ["0", "constant", "balanced"], "learnt from the first 128 rows: constant = the vector that all share, before positions; balanced = units of channels too; 0 = none").AddedLater();

    /// <summary>Refuses a setting that has the name of one here and takes what that does not.</summary>
    /// <exception cref="ArgumentException">It is such a setting.</exception>
    public static void RequireSameMeaning(string method, CodecSetting setting)
    {
        CodecSetting[] common = [Bits(1, 1, 32), Seed, Scale, Rotation("hadamard"), Mean, MeanBits, Frame];
        if (Array.Find(common, c => c.Name == setting.Name) is { } known && !setting.IsWithin(known))
            throw new ArgumentException($"'{setting.Name}' of '{method}' is {setting.Allowed}; a setting of this name is {known.Summary}: {known.Allowed}, or a part of it.", nameof(setting));
    }

    /// <summary>The rule that the spec names.</summary>
    public static ScaleRule ScaleOf(CodecSpec spec) => (ScaleRule)Array.IndexOf(ScaleNames, spec["scale"]);

    /// <summary>Refuses a dimension that a method cannot split.</summary>
    /// <exception cref="ArgumentException">The dimension is not a multiple of <paramref name="unit"/>.</exception>
    public static void RequireMultiple(int dimension, int unit)
    {
        if (dimension % unit != 0)
            throw new ArgumentException($"the dimension must be a multiple of {unit}.", nameof(dimension));
    }
}
