using Kvant.Caching;

namespace Kvant.OnnxRuntime.Native;

/// <summary>ONNX Runtime's own threads, within a call of an operation: they wait for work at that time and keep their processors busy, so that others would only take turns with them.</summary>
/// <param name="call">The call.</param>
/// <param name="size">Into how many parts work is cut; one thread may do several.</param>
internal sealed class GraphCrew(GraphCall call, int size) : ICrew
{
    public int Size => size;

    public void Run(Action<int> work, bool alone)
    {
        if (alone || size == 1)
            work(0);
        else
            call.Run(work, size);
    }
}
