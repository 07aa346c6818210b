using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace ApiPage;

/// <summary>The public types and members of assemblies, a line each with the first sentence of its documentation.</summary>
internal static class Page
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly HashSet<string> s_ofEveryObject = ["ToString", "Equals", "GetHashCode", "op_Equality", "op_Inequality", "Deconstruct"];

    /// <summary>Writes the page, in Markdown.</summary>
    /// <param name="assemblies">Each with its file of documentation beside it.</param>
    public static string Of(params Assembly[] assemblies) => Written("Every public member", "Packages for llama.cpp and ONNX Runtime: [api-engines](api-engines.md).", assemblies);

    /// <summary>Writes the page of the packages that need other engines.</summary>
    /// <param name="assemblies">Each with its file of documentation beside it.</param>
    public static string OfEngines(params Assembly[] assemblies) => Written("Every public member of the packages for llama.cpp and ONNX Runtime", "All others: [api](api.md).", assemblies);

    /// <summary>The part of a page that is an assembly's.</summary>
    public static string PartOf(Assembly assembly)
    {
        var page = new StringBuilder();
        Documentation documentation = new(assembly);
        foreach (IGrouping<string?, Type> space in assembly.GetExportedTypes().Where(static t => !t.IsNested).GroupBy(t => t.Namespace).OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            page.Append($"\n## {space.Key}\n");
            foreach (Type type in space.OrderBy(t => t.Name, StringComparer.Ordinal))
            {
                page.Append($"\n**`{Signatures.Of(type)}`**: {documentation.Of(type)}\n\n");
                foreach (MemberInfo member in Members(type).OrderBy(m => m.Name, StringComparer.Ordinal).ThenBy(Signatures.Of, StringComparer.Ordinal))
                {
                    string signature = Signatures.Of(member), summary = documentation.Of(member);
                    page.Append(summary.Length == 0 ? $"- `{signature}`\n" : $"- `{signature}`: {summary}\n");
                }
            }
        }

        return page.Replace("\n\n\n", "\n\n").ToString();
    }

    private static string Written(string heading, string others, Assembly[] assemblies) =>
        $"# {heading}\n\nWritten by `eng/public-api.sh`: what the packages show, with the first sentence of each documentation. How the parts work together: [docs](README.md). {others}\n{string.Concat(assemblies.Select(PartOf))}";

    private static IEnumerable<MemberInfo> Members(Type type)
    {
        if (type.IsSubclassOf(typeof(Delegate)))
            return [];
        return type.GetMembers(Declared).Where(m => IsSeen(m) && !m.IsDefined(typeof(CompilerGeneratedAttribute)) && !s_ofEveryObject.Contains(m.Name));
    }

    private static bool IsSeen(MemberInfo member) => member switch
    {
        // A constructor of no arguments says nothing.
        ConstructorInfo made => IsSeen((MethodBase)made) && made.GetParameters().Length > 0,
        MethodInfo { IsSpecialName: true } => false,
        MethodInfo method => IsSeen((MethodBase)method) && method.GetBaseDefinition().DeclaringType == method.DeclaringType,
        PropertyInfo property => property.GetMethod is { } get && IsSeen((MethodBase)get) && get.GetBaseDefinition().DeclaringType == property.DeclaringType,
        FieldInfo field => (field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly) && !field.IsSpecialName,
        EventInfo => true,
        _ => false,
    };

    private static bool IsSeen(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;
}
