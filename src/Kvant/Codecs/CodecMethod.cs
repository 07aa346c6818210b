namespace Kvant.Codecs;

/// <summary>A compression method: its name, its settings and how its codecs are made. <see cref="CodecCatalog.Register"/> takes one of your own.</summary>
public sealed class CodecMethod
{
    private readonly Func<CodecSpec, int, CodecRole, Codec> _create;
    private readonly Func<CodecSpec, int, long> _steps = (_, dimension) => dimension;

    /// <summary>A method.</summary>
    /// <param name="name">The name in a spec: small letters and digits, with hyphens or underscores between.</param>
    /// <param name="summary">What it does, one line.</param>
    /// <param name="settings">Its settings, in the order in which a spec writes them.</param>
    /// <param name="create">Makes a codec of a spec, for rows of a dimension and a role; an <see cref="ArgumentException"/> says which dimensions it takes. The spec has the
    /// value of every setting as text. In a cache, blocks must divide 128 rows.</param>
    /// <exception cref="ArgumentException">The name is none, two settings have the same, or one that others have too (<c>bits</c>, <c>seed</c>, <c>scale</c>, <c>rotation</c>,
    /// <c>mean</c>, <c>meanbits</c>, <c>frame</c>) takes what it does not take there.</exception>
    public CodecMethod(string name, string summary, IReadOnlyList<CodecSetting> settings, Func<CodecSpec, int, CodecRole, Codec> create)
    {
        SpecText.RequireName(name, nameof(name));
        ArgumentNullException.ThrowIfNull(summary);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(create);
        IReadOnlyList<CodecSetting> own = [.. settings]; // the caller may change theirs
        for (int i = 0; i < own.Count; i++)
        {
            ArgumentNullException.ThrowIfNull(own[i], nameof(settings));
            if (own.Take(i).Any(before => before.Name == own[i].Name))
                throw new ArgumentException($"Two settings of '{name}' are named '{own[i].Name}'.", nameof(settings));
            CommonSettings.RequireSameMeaning(name, own[i]);
        }

        (Name, Summary, Settings, _create) = (name, summary, own, create);
    }

    /// <summary>The name in a spec, lower case.</summary>
    public string Name { get; }

    /// <summary>What the method does, one line.</summary>
    public string Summary { get; }

    /// <summary>The settings in the order in which a spec writes them.</summary>
    public IReadOnlyList<CodecSetting> Settings { get; }

    /// <summary>About how many steps, of two nanoseconds each, it takes to make a codec of a spec for rows of so many numbers. It says so without making
    /// anything, for any dimension from 1 to <see cref="Codec.MaxDimension"/>, so that a file that asks for too much is refused at once. Never below 0.</summary>
    public Func<CodecSpec, int, long> Steps
    {
        get => _steps;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            _steps = value;
        }
    }

    internal Codec Create(CodecSpec spec, int dimension, CodecRole role) => _create(spec, dimension, role) is { } codec && codec.Dimension == dimension ? codec
        : throw new InvalidOperationException($"The method '{Name}' made no codec for rows of {dimension} numbers.");
}
