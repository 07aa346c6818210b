namespace Kvant.Fuzz;

/// <summary>All targets of this program.</summary>
internal static class FuzzTargets
{
    internal static IReadOnlyList<FuzzTarget> All { get; } = [OnnxTarget.Target];
}
