namespace Kvant.Attention;

// Which tokens of a part of a prompt see each other, as the workers ask.
public sealed partial class CacheAttention
{
    private int[] _mask = []; // parents or last tokens
    private int[] _depths = []; // ancestors of each token of a tree
    private MaskKind _maskKind;

    private enum MaskKind
    {
        Causal,
        Until,
        Tree,
    }

    private void RequireMask(ChunkMask mask, int tokens, int layer, bool append)
    {
        mask.Require(tokens);
        if (append && Geometry[layer].SharedLayer is { } source)
            throw new ArgumentException($"Layer {layer} reads the keys and values of layer {source}: nothing is appended to it.", nameof(append));
        if (append && mask.IsTree)
            throw new ArgumentException("A tree is no sequence: attend without appending, then append the branch that stays.", nameof(append));
        if (mask.IsTree && SettingsOf(layer).Slopes is not null)
            throw new ArgumentException("A tree has no slopes: its tokens stand side by side.", nameof(mask));
    }

    private void KeepMask(ChunkMask mask)
    {
        int count = mask.Numbers.Length;
        _maskKind = mask.IsTree ? MaskKind.Tree : count > 0 ? MaskKind.Until : MaskKind.Causal;
        if (_mask.Length < count)
            (_mask, _depths) = (new int[count], new int[count]);
        mask.Numbers.CopyTo(_mask);
        for (int i = 0; i < count && mask.IsTree; i++)
            _depths[i] = _mask[i] < 0 ? 0 : _depths[_mask[i]] + 1;
    }

    private void ForgetMask() => _maskKind = MaskKind.Causal;

    // How many positions behind the first token of the part, or the newest of the sequence, a token stands.
    private int Depth(int token) => _maskKind == MaskKind.Tree ? _depths[token] : token;

    // The last position that it sees, counted in the same way.
    private int Last(int token) => _maskKind switch
    {
        MaskKind.Until => _mask[token],
        MaskKind.Tree => _depths[token],
        _ => token,
    };
}
