using Kvant.Models.Decoding;

namespace Kvant.Models.Tests;

public sealed class DependencyTests
{
    [Fact]
    public void ModelsDependOnKvantAlone()
    {
        string runtime = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        Assert.Equal(["Kvant", "System.Numerics.Tensors"], typeof(Decoder).Assembly.GetReferencedAssemblies()
            .Select(a => a.Name!).Where(n => !File.Exists(Path.Combine(runtime, n + ".dll"))).Order());
    }
}
