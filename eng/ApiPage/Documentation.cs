using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace ApiPage;

/// <summary>The documentation that the compiler wrote beside an assembly.</summary>
internal sealed partial class Documentation
{
    private readonly Dictionary<string, XElement> _members;

    /// <summary>Reads it.</summary>
    /// <exception cref="FileNotFoundException">There is none beside the assembly.</exception>
    public Documentation(Assembly assembly) =>
        _members = XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Descendants("member").ToDictionary(m => m.Attribute("name")!.Value);

    /// <summary>The first sentence about a type or member; empty where there is none.</summary>
    public string Of(MemberInfo member) => Summary(Key(member));

    private string Summary(string key)
    {
        if (!_members.TryGetValue(key, out XElement? found))
            return "";
        if (found.Element("inheritdoc")?.Attribute("cref")?.Value is { } other)
            return Summary(other);
        if (found.Element("summary") is not { } summary)
            return "";
        string text = Space().Replace(string.Concat(summary.Nodes().Select(Text)), " ").Trim();
        Match end = SentenceEnd().Match(text);
        return end.Success ? text[..(end.Index + 1)] : text;
    }

    private static string Text(XNode node) => node switch
    {
        XText text => text.Value,
        XElement { Name.LocalName: "see" or "seealso" } see => $"`{Last(see.Attribute("cref")?.Value ?? see.Attribute("langword")?.Value ?? "")}`",
        XElement { Name.LocalName: "paramref" or "typeparamref" } named => $"`{named.Attribute("name")!.Value}`",
        XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
        XElement element => string.Concat(element.Nodes().Select(Text)),
        _ => "",
    };

    private static string Last(string reference) => Arity().Replace(reference.Split('(')[0].Split(':')[^1].Split('.')[^1], "");

    // As the compiler names members: M:Space.Type.Method(System.Int32,System.ReadOnlySpan{System.Single}).
    private static string Key(MemberInfo member)
    {
        if (member is Type type)
            return "T:" + type.FullName!.Replace('+', '.');
        string owner = member.DeclaringType!.FullName!.Replace('+', '.');
        return member switch
        {
            ConstructorInfo made => $"M:{owner}.#ctor{Parameters(made.GetParameters())}",
            MethodInfo method => $"M:{owner}.{method.Name}{(method.IsGenericMethod ? "``" + method.GetGenericArguments().Length : "")}{Parameters(method.GetParameters())}",
            PropertyInfo property => $"P:{owner}.{property.Name}{Parameters(property.GetIndexParameters())}",
            _ => $"F:{owner}.{member.Name}",
        };
    }

    private static string Parameters(ParameterInfo[] parameters) => parameters.Length == 0 ? "" : $"({string.Join(',', parameters.Select(p => Name(p.ParameterType)))})";

    private static string Name(Type type)
    {
        if (type.IsByRef)
            return Name(type.GetElementType()!) + "@";
        if (type.IsArray)
            return Name(type.GetElementType()!) + "[]";
        if (type.IsGenericParameter)
            return (type.DeclaringMethod is null ? "`" : "``") + type.GenericParameterPosition;
        string name = $"{(type.IsNested ? Name(type.DeclaringType!) : type.Namespace)}.{Arity().Replace(type.Name, "")}";
        return type.IsGenericType ? $"{name}{{{string.Join(',', type.GetGenericArguments().Select(Name))}}}" : name;
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();

    [GeneratedRegex(@"\.(?= [A-Z`])")]
    private static partial Regex SentenceEnd();

    [GeneratedRegex(@"`+\d+$")]
    private static partial Regex Arity();
}
