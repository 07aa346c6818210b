using Kvant.Gpu.Drivers;
using Kvant.Gpu.Kernels;

namespace Kvant.Gpu.Tests.Cuda;

/// <summary>The kernels that come compiled are those of the sources, and all that there must be.</summary>
public sealed class ReadyKernelsTests
{
    [Fact]
    public void KernelsAreMadeOfTheSourcesAndAllAreThere()
    {
        var expected = ReadyShapes.All().GroupBy(kernel => ReadyKernels.FamilyOf(kernel.Source, kernel.Macros)).ToDictionary(family => family.Key, family => family.ToArray());
        string[] packed = [.. typeof(GpuDevice).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".ptx.br", StringComparison.Ordinal))];
        Assert.Equal(expected.Keys.Order(), packed.Order());
        foreach (string family in packed)
        {
            using Stream stream = typeof(GpuDevice).Assembly.GetManifestResourceStream(family)!;
            (string madeOf, Dictionary<string, string> texts) = ReadyKernels.Read(stream);
            Assert.True(madeOf == ReadyKernels.TextOf(expected[family][0].Source), "The kernels' text changed: make the compiled ones anew (dotnet run -c Release --project eng/PtxKernels).");
            Assert.True(expected[family].Select(kernel => kernel.Macros).ToHashSet().SetEquals(texts.Keys), $"{family} has other kernels than ReadyShapes says: make them anew (dotnet run -c Release --project eng/PtxKernels).");
            Assert.All(texts.Values, text => Assert.StartsWith(".version", text, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void EverybodyFindsThem()
    {
        (KernelSource source, string macros) = ReadyShapes.All().First();
        Assert.True(ReadyKernels.Has(source, macros));
        Assert.Contains("attend", ReadyKernels.Find(source, macros), StringComparison.Ordinal);
        Assert.False(ReadyKernels.Has(source, macros + "0"));
        Assert.Null(ReadyKernels.Find(source, macros + "0"));
        Assert.Null(ReadyKernels.Find(source, "-DKD=31 -DVD=31"));
    }
}
