using Kvant.Fuzz.Targets;

namespace Kvant.Fuzz;

/// <summary>All targets: every reader that takes bytes or text from outside has one here. What they are made of uses nothing of the library before the first
/// input: what afl++ instrumented runs only below it.</summary>
internal static class FuzzTargets
{
    internal static IReadOnlyList<FuzzTarget> All { get; } =
    [
        SafetensorsTarget.Target, NpyTarget.Target, TraceTarget.Target, CacheTarget.Target, ChunkTarget.Target, PolicyTarget.Target, SpecTarget.Target,
        LlamaStateTarget.Target, LlamaFileTarget.Target, GgufTarget.Target, TokenizerTarget.Target, TemplateTarget.Target, ModelTarget.Target, RequestTarget.Target,
    ];
}
