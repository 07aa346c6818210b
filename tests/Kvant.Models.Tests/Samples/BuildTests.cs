using System.Diagnostics;
using System.Reflection;
using Kvant.Codecs;

namespace Kvant.Models.Tests.Samples;

public sealed class BuildTests
{
    // A solution that has not all projects once built the others without optimization: attention took fifty times as long.
    [Fact]
    public void CoreIsBuiltAsTheTestsAre() => Assert.Equal(IsOptimized(typeof(BuildTests)), IsOptimized(typeof(Codec)));

    private static bool IsOptimized(Type type) => type.Assembly.GetCustomAttribute<DebuggableAttribute>()?.IsJITOptimizerDisabled != true;
}
