using System.Reflection;
using System.Runtime.CompilerServices;
using Kvant.Codecs;
using Kvant.Models.Decoding;

namespace Kvant.Models.Tests.Samples;

/// <summary>The programs in <c>samples/</c> run, check what they claim, and stay short.</summary>
public sealed class SamplesTests
{
    [Theory]
    [InlineData("DecodeLoop", "Keys sixbits, values sixbits: the first 200 of 200 tokens are the same, at 10.4 bits a number")]
    [InlineData("Drafts", "A draft of 6 was cut to 2: 505 tokens")]
    [InlineData("Conversations", "After them the pool holds 1,029,120 bytes: the prompt.")]
    [InlineData("Search", "turboquant:bits=4   1,320,000 bytes instead of 10,240,000: finds vector 1,234, and 9 of the 10 best")]
    public async Task SampleRunsAndSaysWhatItFound(string name, string said)
    {
        (string text, string error, int exitCode) = await SampleProgram.RunAsync(name, TestContext.Current.CancellationToken);
        Assert.Equal("", error);
        Assert.Contains(said, text, StringComparison.Ordinal);
        Assert.Equal(0, exitCode); // each compares what it shows with the right answer
    }

    [Fact]
    public void SamplesAreShortAndUsePublicMembersAlone()
    {
        string[] programs = Directory.GetFiles(Path.Combine(SampleProgram.Root(), "samples"), "Program.cs", SearchOption.AllDirectories);
        Assert.Equal(6, programs.Length);
        Assert.All(programs.SelectMany(program => Directory.GetFiles(Path.GetDirectoryName(program)!, "*.cs")), file => Assert.InRange(File.ReadLines(file).Count(), 20, 99));
        foreach (Assembly assembly in (Assembly[])[typeof(Codec).Assembly, typeof(LanguageModel).Assembly])
        {
            // As it was compiled, however a project file or a source file says it.
            string[] friends = [.. assembly.GetCustomAttributes<InternalsVisibleToAttribute>().Select(a => new AssemblyName(a.AssemblyName).Name!)];
            Assert.Contains(typeof(SamplesTests).Assembly.GetName().Name, friends);
            Assert.Empty(friends.Intersect(programs.Select(program => Path.GetFileName(Path.GetDirectoryName(program)!)), StringComparer.OrdinalIgnoreCase));
        }
    }
}
