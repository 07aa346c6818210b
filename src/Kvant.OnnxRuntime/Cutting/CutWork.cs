using Kvant.OnnxRuntime.Native;

namespace Kvant.OnnxRuntime.Cutting;

/// <summary>What a cut graph does where its attention was.</summary>
internal sealed class CutWork
{
    /// <summary>Attends in a layer.</summary>
    public Action<int, GraphCall> Attend { get; set; } = static (_, _) => { };
}
