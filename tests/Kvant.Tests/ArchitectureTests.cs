using System.Reflection;
using System.Reflection.Emit;
using Kvant.Codecs;

namespace Kvant.Tests;

/// <summary>The arrows of the house: which folder of the library may use which. Read off the compiled code, method bodies too.</summary>
public sealed class ArchitectureTests
{
    private static readonly Dictionary<string, string[]> s_allowed = new()
    {
        ["Kernels"] = [],
        ["Numerics"] = [],
        ["Rotations"] = ["Kernels", "Numerics"],
        ["Codebooks"] = ["Numerics", "Kernels"],
        ["Packing"] = ["Kernels"],
        ["Memory"] = [],
        ["Codecs"] = ["Rotations", "Codebooks", "Packing", "Kernels", "Memory", "Numerics"],
        ["Caching"] = ["Codecs", "Kernels", "Memory"],
        ["Attention"] = ["Caching", "Codecs", "Kernels", "Memory"],
        ["Formats"] = ["Codecs", "Caching", "Kernels"],
        ["Search"] = ["Codecs", "Caching", "Attention", "Kernels", "Memory"],
    };

    [Fact]
    public void NoFolderUsesOneThatTheDrawingDoesNotLetItUse()
    {
        var wrong = new SortedSet<string>();
        foreach (Type type in typeof(Codec).Assembly.GetTypes())
        {
            if (Folder(type) is not { } from)
                continue;
            Assert.True(s_allowed.ContainsKey(from), $"The folder {from} is not in the drawing.");
            foreach (Type used in Used(type))
            {
                if (Folder(used) is { } to && to != from && !s_allowed[from].Contains(to))
                    wrong.Add($"{from} -> {to}: {type.Name} uses {used.Name}");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void EveryKernelLiesInARoomThatTheReadmeNames()
    {
        string folder = Path.Combine(Root(), "src", "Kvant", "Kernels"), readme = File.ReadAllText(Path.Combine(folder, "README.md"));
        Assert.Empty(Directory.EnumerateFiles(folder, "*.cs"));
        Assert.All(Directory.EnumerateDirectories(folder).Select(Path.GetFileName), room => Assert.Contains($"[`{room}`]({room})", readme, StringComparison.Ordinal));
    }

    [Fact]
    public void EveryCodecIsInTheCatalogue()
    {
        // A file that declares a method and is missing from the list would be dead code: each has a static property of this type.
        IEnumerable<string> declared = typeof(Codec).Assembly.GetTypes()
            .SelectMany(t => t.GetProperties(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
            .Where(p => p.PropertyType == typeof(CodecMethod))
            .Select(p => ((CodecMethod)p.GetValue(null)!).Name);
        Assert.Equal(declared.Order(), CodecCatalog.Methods.Select(m => m.Name).Order());
    }

    [Fact]
    public void CoreDependsOnTensorsAlone()
    {
        string[] others = [.. typeof(Codec).Assembly.GetReferencedAssemblies().Select(a => a.Name!)
            .Where(n => n != "System.Numerics.Tensors" && !File.Exists(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, n + ".dll")))];
        Assert.Empty(others);
    }

    private static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Kvant.slnx"))) folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException($"No Kvant.slnx above {AppContext.BaseDirectory}.");
    }

    private static string? Folder(Type type) => type.Assembly == typeof(Codec).Assembly && type.Namespace?.Split('.') is [_, { } folder, ..] ? folder : null;

    private static IEnumerable<Type> Used(Type type)
    {
        const BindingFlags all = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        IEnumerable<Type?> used = [type.BaseType, .. type.GetInterfaces(), .. type.GetFields(all).Select(f => f.FieldType)];
        foreach (MethodBase method in type.GetMembers(all).OfType<MethodBase>())
            used = used.Concat(method.GetParameters().Select(p => p.ParameterType)).Append((method as MethodInfo)?.ReturnType).Concat(InBody(method));
        return used.OfType<Type>().SelectMany(Parts);
    }

    private static IEnumerable<Type> Parts(Type type) =>
        type.HasElementType ? Parts(type.GetElementType()!) : type.IsGenericType ? [type, .. type.GetGenericArguments().SelectMany(Parts)] : [type];

    // Walks the instructions and resolves the tokens of those that name a type or a member.
    private static IEnumerable<Type?> InBody(MethodBase method)
    {
        byte[] il = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        Type[]? typeArguments = method.DeclaringType is { IsGenericType: true } t ? t.GetGenericArguments() : null;
        Type[]? methodArguments = method is MethodInfo { IsGenericMethod: true } m ? m.GetGenericArguments() : null;
        for (int i = 0; i < il.Length;)
        {
            short value = il[i] == 0xFE ? (short)(0xFE00 | il[i + 1]) : il[i];
            OpCode code = s_codes[value];
            i += code.Size;
            if (code.OperandType is OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType)
            {
                MemberInfo? member = method.Module.ResolveMember(BitConverter.ToInt32(il, i), typeArguments, methodArguments);
                yield return member as Type ?? member?.DeclaringType;
            }

            i += code.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 * (1 + BitConverter.ToInt32(il, i)),
                _ => 4,
            };
        }
    }

    private static readonly Dictionary<short, OpCode> s_codes = typeof(OpCodes).GetFields(BindingFlags.Static | BindingFlags.Public)
        .Select(f => (OpCode)f.GetValue(null)!).ToDictionary(c => c.Value);
}
