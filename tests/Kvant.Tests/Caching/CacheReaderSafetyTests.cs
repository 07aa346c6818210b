using Kvant.Caching;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Kvant.Tests.Caching;

/// <summary>What safe code cannot do with the bytes of a cache: keep them beyond the lock. The compiler says so.</summary>
public sealed class CacheReaderSafetyTests
{
    private static readonly MetadataReference[] s_references =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetFileName(path) is "System.Runtime.dll" or "System.Private.CoreLib.dll" or "System.Threading.dll" or "System.Collections.dll")
            .Append(typeof(KvCache).Assembly.Location)
            .Select(path => MetadataReference.CreateFromFile(path)),
    ];

    [Theory]
    [InlineData("int rows = cache.Read(0, static (reader, head) => reader.Run(0, head, 0).Rows);")]
    [InlineData("byte[] copy = cache.Read(0, static (reader, head) => reader.Run(0, head, 0).Keys.ToArray());")]
    [InlineData("Span<float> sums = stackalloc float[1]; cache.Read(sums, static (reader, sums) => { CacheRun run = reader.Run(0, 0, 0); sums[0] = run.Keys[0]; });")]
    // What the code gets is a copy, which ends with it.
    [InlineData("var keeper = new Keeper(); cache.Read(keeper, static (reader, keeper) => { keeper.Bytes = reader.Run(0, 0, 0).Keys; });")]
    public void WhatIsMeantCompiles(string body) => Assert.Empty(Errors(body));

    [Theory]
    // A run or a span returned, kept in a local of the caller's, in what the caller handed in, in an array, in a box.
    [InlineData("cache.Read<int, CacheRun>(0, static (reader, _) => reader.Run(0, 0, 0));", "CS9244")]
    [InlineData("var keys = cache.Read(0, static (reader, _) => { return reader.Run(0, 0, 0).Keys; });", "CS8030")]
    [InlineData("ReadOnlySpan<byte> kept = default; cache.Read(0, (reader, _) => { kept = reader.Run(0, 0, 0).Keys; });", "CS8175")]
    [InlineData("CacheRun kept = default; cache.Read(0, (reader, _) => { kept = reader.Run(0, 0, 0); });", "CS8175")]
    [InlineData("var keeper = new Keeper(); cache.Read(ref keeper, static (reader, keeper) => { });", "CS1615")]
    [InlineData("var keeper = new Keeper(); cache.Read(keeper, static (CacheReader reader, ref Keeper keeper) => { });", "CS1661", "CS1676", "CS1677")]
    [InlineData("cache.Read(new List<CacheRun>(), static (reader, list) => { });", "CS9244")]
    [InlineData("cache.Read(new object[1], static (reader, kept) => { kept[0] = reader.Run(0, 0, 0); });", "CS0029")]
    // The reader itself.
    [InlineData("CacheReader kept = default; cache.Read(0, (reader, _) => { kept = reader; });", "CS8175")]
    [InlineData("cache.Read(0, static (reader, _) => { return reader; });", "CS8030")]
    [InlineData("var forged = new CacheReader(cache);", "CS1729")]
    // Work that goes on after the lock.
    [InlineData("cache.Read(0, static (reader, _) => { Action later = () => reader.RunCount(0); });", "CS9108", "CS1628")]
    [InlineData("cache.Read(0, static async (reader, _) => { await System.Threading.Tasks.Task.Yield(); });", "CS4012")]
    // No lock at all.
    [InlineData("cache.Run(0, 0, 0);", "CS1061")]
    [InlineData("cache.RunCount(0);", "CS1061")]
    public void WhatIsUnsafeDoesNot(string body, params string[] reasons)
    {
        string[] errors = Errors(body);
        Assert.True(errors.Length > 0, $"It compiles: {body}");
        Assert.True(errors.All(reasons.Contains), $"{string.Join(' ', errors)} found, {string.Join(" or ", reasons)} wanted: {body}");
    }

    [Theory]
    [InlineData("ref struct Pointer { public ref Keeper Target; }", "CS9050")]
    [InlineData("ref struct Pointer { public ref ReadOnlySpan<byte> Target; }", "CS9050")]
    [InlineData("class Box { public CacheReader Kept; }", "CS8345")]
    [InlineData("class Box { public static CacheRun Kept; }", "CS8345")]
    public void NothingThatTheCodeGetsPointsToAPlaceForBytes(string type, string reason) => Assert.Equal([reason], Errors("", type));

    private static string[] Errors(string body, string types = "")
    {
        string source = $$"""
            using System;
            using System.Collections.Generic;
            using Kvant.Caching;

            ref struct Keeper
            {
                public ReadOnlySpan<byte> Bytes;
            }

            {{types}}

            static class Snippet
            {
                static void Use(KvCache cache)
                {
                    {{body}}
                }
            }
            """;
        var compilation = CSharpCompilation.Create(
            "Snippet",
            [CSharpSyntaxTree.ParseText(source, cancellationToken: TestContext.Current.CancellationToken)],
            s_references,
            new(OutputKind.DynamicallyLinkedLibrary));
        return [.. compilation.GetDiagnostics(TestContext.Current.CancellationToken).Where(d => d.Severity == DiagnosticSeverity.Error).Select(d => d.Id).Distinct()];
    }
}
