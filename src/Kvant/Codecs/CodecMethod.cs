namespace Kvant.Codecs;

/// <summary>A compression method: its name, its settings and how its codecs are made. <see cref="CodecCatalog.Register"/> takes one of your own.</summary>
public sealed class CodecMethod
{
    private readonly Func<CodecSpec, int, CodecRole, Codec> _create;

    /// <summary>A method.</summary>
    /// <param name="name">The name in a spec: small letters and digits, with hyphens or underscores between.</param>
    /// <param name="summary">What it does, one line.</param>
    /// <param name="settings">Its settings, in the order in which a spec writes them.</param>
    /// <param name="create">Makes a codec of a spec, for rows of a dimension and a role; an <see cref="ArgumentException"/> says which dimensions it takes. The spec has the
    /// value of every setting as text. In a cache, blocks must divide 128 rows.</param>
    /// <exception cref="ArgumentException">The name is none, or two settings have the same.</exception>
    public CodecMethod(string name, string summary, IReadOnlyList<CodecSetting> settings, Func<CodecSpec, int, CodecRole, Codec> create)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(summary);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(create);
        if (name.Length == 0 || !char.IsAsciiLetterLower(name[0]) || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_'))
            throw new ArgumentException($"'{name}' is no name: small letters and digits are wanted, with hyphens or underscores between.", nameof(name));
        if (settings.Select(setting => setting.Name).Distinct().Count() != settings.Count)
            throw new ArgumentException($"Two settings of '{name}' have the same name.", nameof(settings));
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
    public Func<CodecSpec, int, long> Steps { get; init; } = (_, dimension) => dimension;

    internal Codec Create(CodecSpec spec, int dimension, CodecRole role) => _create(spec, dimension, role) is { } codec && codec.Dimension == dimension ? codec
        : throw new InvalidOperationException($"The method '{Name}' made no codec for rows of {dimension} numbers.");
}
