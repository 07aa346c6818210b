using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Kvant.Codecs;

/// <summary>
/// A method with its settings, as text: <c>turboquant:bits=3,scale=unbiased</c>. The same text is the argument of the
/// library, the flag of the tool, the column of a report and the header of a file.
/// </summary>
public sealed class CodecSpec : IEquatable<CodecSpec>
{
    private readonly string[] _values; // in the order of Method.Settings

    private CodecSpec(CodecMethod method, string[] values) => (Method, _values) = (method, values);

    // A method with all settings at their defaults.
    internal CodecSpec(CodecMethod method)
        : this(method, [.. method.Settings.Select(s => s.Default)])
    {
    }

    /// <summary>The method.</summary>
    public CodecMethod Method { get; }

    /// <summary>Every setting written out, defaults too: what files store, so that a later default changes nothing. Settings that came
    /// later than files of the method (<see cref="CodecSetting.IsLater"/>) stand only where they differ from theirs.</summary>
    public string FullText => Format(i => !Method.Settings[i].IsLater || _values[i] != Method.Settings[i].Default);

    /// <summary>Reads a spec: a method's name, then optionally a colon and settings as <c>name=value</c> with commas between.</summary>
    /// <param name="text">The spec.</param>
    /// <exception cref="FormatException">The method, a setting or a value is unknown; the message lists the known ones.</exception>
    public static CodecSpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string name = colon < 0 ? text : text[..colon];
        CodecMethod method = CodecCatalog.Find(name)
            ?? throw new FormatException($"Unknown codec '{name}'. Known: {CodecCatalog.Names}.");
        var defaults = new CodecSpec(method);
        if (colon < 0)
            return defaults;

        string[] values = [.. defaults._values];
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string part in text[(colon + 1)..].Split(','))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
                throw new FormatException($"'{part}' in '{text}' is not a setting; write name=value. {Known(method)}");
            string setting = part[..equals], value = part[(equals + 1)..];
            Set(method, values, setting, value);
            if (!seen.Add(setting))
                throw new FormatException($"The setting '{setting}' stands twice in '{text}'.");
        }

        return new CodecSpec(method, values);
    }

    /// <summary>Reads a spec without throwing.</summary>
    /// <param name="text">The spec.</param>
    /// <param name="spec">The spec, or null if the text is none.</param>
    /// <returns>Whether the text is a spec.</returns>
    public static bool TryParse(string? text, [NotNullWhen(true)] out CodecSpec? spec)
    {
        try
        {
            spec = text is null ? null : Parse(text);
        }
        catch (FormatException)
        {
            spec = null;
        }

        return spec is not null;
    }

    /// <summary>The same spec with one setting changed.</summary>
    /// <param name="setting">Its name.</param>
    /// <param name="value">Its value, as text.</param>
    /// <exception cref="FormatException">The setting or the value is unknown.</exception>
    public CodecSpec With(string setting, string value)
    {
        ArgumentNullException.ThrowIfNull(setting);
        ArgumentNullException.ThrowIfNull(value);
        string[] values = [.. _values];
        Set(Method, values, setting, value);
        return new CodecSpec(Method, values);
    }

    /// <summary>Makes the codec that the spec names.</summary>
    /// <param name="dimension">Numbers in a row (the head dimension).</param>
    /// <param name="role">What the rows are for; the default is vectors on their own.</param>
    /// <exception cref="ArgumentException">The method does not take this dimension; the message says which it takes.</exception>
    public Codec CreateCodec(int dimension, CodecRole role = CodecRole.Rows)
    {
        RequireDimension(dimension);
        try
        {
            return Method.Create(this, dimension, role);
        }
        catch (ArgumentException refused)
        {
            string reason = refused.Message.Split(" (Parameter", 2)[0];
            throw new ArgumentException($"'{this}' does not take rows of {dimension} numbers: {reason}", nameof(dimension), refused);
        }
    }

    /// <summary>The value of a setting.</summary>
    /// <param name="setting">Its name.</param>
    /// <exception cref="ArgumentException">The method has no such setting.</exception>
    public string this[string setting]
    {
        get
        {
            int index = IndexOf(Method, setting);
            return index >= 0 ? _values[index] : throw new ArgumentException($"'{Method.Name}' has no setting '{setting}'.", nameof(setting));
        }
    }

    /// <summary>About how many steps <see cref="CreateCodec"/> takes; see <see cref="CodecMethod.Steps"/>.</summary>
    /// <param name="dimension">Numbers in a row.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no such rows.</exception>
    internal long StepsToCreate(int dimension)
    {
        RequireDimension(dimension);
        return Method.Steps(this, dimension) is >= 0 and var steps ? steps
            : throw new InvalidOperationException($"The method '{Method.Name}' says that making '{this}' takes less than no steps.");
    }

    internal int Integer(string setting) => int.Parse(this[setting], CultureInfo.InvariantCulture);

    internal ulong Seed() => ulong.Parse(this["seed"], CultureInfo.InvariantCulture);

    /// <summary>The short form: the method and the settings that differ from their defaults; <c>bits</c> always.</summary>
    public override string ToString() => Format(i => Method.Settings[i].Name == "bits" || _values[i] != Method.Settings[i].Default);

    /// <inheritdoc/>
    public bool Equals(CodecSpec? other) => other is not null && FullText == other.FullText;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as CodecSpec);

    /// <summary>Whether two specs mean the same.</summary>
    public static bool operator ==(CodecSpec? left, CodecSpec? right) => left is null ? right is null : left.Equals(right);

    /// <summary>Whether two specs differ.</summary>
    public static bool operator !=(CodecSpec? left, CodecSpec? right) => !(left == right);

    /// <inheritdoc/>
    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(FullText);

    private static void RequireDimension(int dimension)
    {
        if (dimension is < 1 or > Codec.MaxDimension)
            throw new ArgumentOutOfRangeException(nameof(dimension), dimension, $"A row has 1 to {Codec.MaxDimension} numbers.");
    }

    private static void Set(CodecMethod method, string[] values, string setting, string value)
    {
        int index = IndexOf(method, setting);
        if (index < 0)
            throw new FormatException($"'{method.Name}' has no setting '{setting}'. {Known(method)}");
        if (!method.Settings[index].Accepts(value))
            throw new FormatException($"'{setting}={value}' is not allowed; {setting} is {method.Settings[index].Allowed}.");
        values[index] = value;
    }

    private static int IndexOf(CodecMethod method, string setting)
    {
        for (int i = 0; i < method.Settings.Count; i++)
        {
            if (method.Settings[i].Name == setting)
                return i;
        }

        return -1;
    }

    private static string Known(CodecMethod method) => method.Settings.Count == 0
        ? $"'{method.Name}' has no settings."
        : $"Known: {string.Join(", ", method.Settings.Select(s => $"{s.Name}={s.Allowed}"))}.";

    private string Format(Func<int, bool> include)
    {
        string settings = string.Join(',', Enumerable.Range(0, _values.Length).Where(include).Select(i => $"{Method.Settings[i].Name}={_values[i]}"));
        return settings.Length == 0 ? Method.Name : $"{Method.Name}:{settings}";
    }
}
