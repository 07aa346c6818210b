namespace Kvant.Codecs;

/// <summary>A compression method of the catalogue: its name, its settings and how its codecs are made.</summary>
public sealed class CodecMethod
{
    private readonly Func<CodecSpec, int, CodecRole, Codec> _create;

    internal CodecMethod(string name, string summary, IReadOnlyList<CodecSetting> settings, Func<CodecSpec, int, CodecRole, Codec> create)
    {
        (Name, Summary, Settings, _create) = (name, summary, settings, create);
    }

    /// <summary>The name in a spec, lower case.</summary>
    public string Name { get; }

    /// <summary>What the method does, one line.</summary>
    public string Summary { get; }

    /// <summary>The settings in the order in which a spec writes them.</summary>
    public IReadOnlyList<CodecSetting> Settings { get; }

    /// <summary>About how many steps, of two nanoseconds each, it takes to make a codec of a spec for rows of so many numbers. It says so without making
    /// anything, for any dimension from 1 to <see cref="Codec.MaxDimension"/>, so that a file that asks for too much is refused at once.</summary>
    internal Func<CodecSpec, int, long> Steps { get; init; } = (_, dimension) => dimension;

    internal Codec Create(CodecSpec spec, int dimension, CodecRole role) => _create(spec, dimension, role);
}
