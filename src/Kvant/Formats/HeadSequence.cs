namespace Kvant.Formats;

/// <summary>What a stream of heads is made of.</summary>
internal enum HeadKind
{
    Key,
    Value,
    Query,
}

/// <summary>The order in which writers take heads: per layer all key heads, all value heads, all query heads.</summary>
internal sealed class HeadSequence(int layers, int kvHeads, int queryHeads)
{
    private int _layer;
    private HeadKind _kind;
    private int _head;

    internal void RequireNext(int layer, HeadKind kind, int head)
    {
        if (_layer == layers) throw new InvalidOperationException($"the {kind} of layer {layer}, head {head} came after the last head");
        if (layer != _layer || kind != _kind || head != _head)
            throw new InvalidOperationException($"the {kind} of layer {layer}, head {head} found, the {_kind} of layer {_layer}, head {_head} wanted next");
    }

    internal void Advance()
    {
        _head++;
        if (_head < Heads(_kind)) return;
        _head = 0;
        _kind++;
        if (_kind <= HeadKind.Query && Heads(_kind) > 0) return;
        _kind = HeadKind.Key;
        _layer++;
    }

    private int Heads(HeadKind kind) => kind == HeadKind.Query ? queryHeads : kvHeads;
}
