using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace ApiPage;

/// <summary>Types and members as C# writes them, without what their documentation says better.</summary>
internal static class Signatures
{
    private static readonly Dictionary<Type, string> s_words = new()
    {
        [typeof(void)] = "void",
        [typeof(bool)] = "bool",
        [typeof(byte)] = "byte",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(ushort)] = "ushort",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
        [typeof(string)] = "string",
        [typeof(object)] = "object",
    };

    /// <summary>A type with its kind and what it derives from.</summary>
    public static string Of(Type type)
    {
        string kind = type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsByRefLike ? "ref struct" : type.IsValueType ? "struct" : type.IsSubclassOf(typeof(Delegate)) ? "delegate" :
            type.IsAbstract && type.IsSealed ? "static class" : type.IsAbstract ? "abstract class" : type.GetMethod("<Clone>$") is null ? "class" : "record";
        string parent = type.BaseType is { } b && !b.Namespace!.StartsWith("System", StringComparison.Ordinal) ? " : " + Name(b) : "";
        return kind == "delegate" ? $"delegate {Of(type.GetMethod("Invoke")!).Replace("Invoke", Name(type), StringComparison.Ordinal)}" : $"{kind} {Name(type)}{parent}";
    }

    /// <summary>A member.</summary>
    public static string Of(MemberInfo member) => member switch
    {
        ConstructorInfo made => $"{Reach(made)}{made.DeclaringType!.Name.Split('`')[0]}({Parameters(made)})",
        MethodInfo method => $"{Reach(method)}{Name(method.ReturnType)}{Mark(method.ReturnParameter)} {method.Name}{Generic(method)}({Parameters(method)})",
        PropertyInfo property => $"{Reach(property.GetMethod!)}{Name(property.PropertyType)}{Mark(property)} {Indexed(property)} {{ get; {Setter(property)}}}",
        FieldInfo { DeclaringType.IsEnum: true } field => field.Name,
        FieldInfo { IsLiteral: true } field => $"const {Name(field.FieldType)} {field.Name} = {Value(field.GetRawConstantValue())}",
        _ => member.Name,
    };

    private static string Reach(MethodBase method) =>
        (method.IsPublic ? "" : "protected ") + (method.IsStatic ? "static " : method.DeclaringType!.IsInterface ? "" : method.IsAbstract ? "abstract " : method is { IsVirtual: true, IsFinal: false } ? "virtual " : "");

    private static string Indexed(PropertyInfo property) => property.GetIndexParameters() is { Length: > 0 } by ? $"this[{string.Join(", ", by.Select(Parameter))}]" : property.Name;

    private static string Setter(PropertyInfo property) =>
        property.SetMethod is not { IsPublic: true } set ? "" : set.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ? "init; " : "set; ";

    private static string Generic(MethodInfo method) => method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(Name))}>" : "";

    private static string Parameters(MethodBase method) => (method.IsDefined(typeof(ExtensionAttribute)) ? "this " : "") + string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo parameter) =>
        $"{(parameter.IsOut ? "out " : parameter.IsIn ? "in " : parameter.ParameterType.IsByRef ? "ref " : "")}{Name(parameter.ParameterType)}{Mark(parameter)} {parameter.Name}" +
        (parameter.HasDefaultValue ? $" = {(parameter.ParameterType is { IsEnum: true } values && parameter.DefaultValue is { } v ? $"{values.Name}.{Enum.ToObject(values, v)}" : Value(parameter.DefaultValue))}" : "");

    private static string Value(object? value) => value switch
    {
        null => "default",
        bool flag => flag ? "true" : "false",
        string text => $"\"{text}\"",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string Mark(ParameterInfo parameter) => IsMarked(parameter.ParameterType) && new NullabilityInfoContext().Create(parameter).ReadState == NullabilityState.Nullable ? "?" : "";

    private static string Mark(PropertyInfo property) => IsMarked(property.PropertyType) && new NullabilityInfoContext().Create(property).ReadState == NullabilityState.Nullable ? "?" : "";

    private static bool IsMarked(Type type) => !(type.IsByRef ? type.GetElementType()! : type).IsValueType && !type.IsGenericParameter;

    private static string Name(Type type)
    {
        if (type.IsByRef)
            return Name(type.GetElementType()!);
        if (Nullable.GetUnderlyingType(type) is { } value)
            return Name(value) + "?";
        if (type.IsArray)
            return Name(type.GetElementType()!) + "[]";
        if (type.FullName?.StartsWith("System.ValueTuple`", StringComparison.Ordinal) == true)
            return $"({string.Join(", ", type.GetGenericArguments().Select(Name))})";
        if (!s_words.TryGetValue(type, out string? name))
            name = type.Name.Split('`')[0];
        if (type is { IsNested: true, IsGenericParameter: false })
            name = $"{Name(type.DeclaringType!)}.{name}";
        return type.IsGenericType ? $"{name}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : name;
    }
}
