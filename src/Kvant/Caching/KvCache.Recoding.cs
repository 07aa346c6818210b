using Kvant.Codecs;

namespace Kvant.Caching;

// What makes a cache smaller while it is used.
public sealed partial class KvCache
{
    /// <summary>Is told of tokens that were coded again: as the cache filled or they aged, after the append that made them so, and by <see cref="Recode"/>. Tokens of a prompt that went through several steps at once count. Null for nobody.</summary>
    /// <remarks><para>It hears the layer that stores them, the position of the first, how many (all of them live), and the step whose codecs they have from now on. Its age says why: <see cref="AgeStep.WhenFull"/> as the cache
    /// filled (<see cref="KvCacheOptions.MemoryLimit"/>), <see cref="AgeStep.Never"/> by a call of <see cref="Recode"/>, any other because so many tokens are newer.</para>
    /// <para>Called on the thread that wrote, once for each layer and step, when the call is done and nothing is locked any more: it may read and write the cache, but not use the
    /// <see cref="Attention.CacheAttention"/> whose prompt it was. What it throws comes out of that call, and changes nothing of what was done. Forks and thawed caches tell nobody until they are asked to.</para></remarks>
    public Action<int, int, int, AgeStep>? Recoded { get; set; }

    /// <summary>Codes the oldest tokens again, in every layer: their blocks are decoded and encoded with other codecs, and take the old ones' place. Positions, order and all that is
    /// newer stay as they are, and tokens to come are stored as before.</summary>
    /// <remarks>
    /// <para>Whole blocks that have left the window move, as many as the tokens make; what has the codec already keeps its bytes, and what was coded again before may be so once more. It costs what both codecs lose:
    /// little where the new one is much coarser (docs/decisions/0041-steps-by-age.md).</para>
    /// <para>A codec that chooses from data takes the choice of one before that learns alike; another looks at the first 128 tokens as they decode now, and nothing is done while there are fewer.</para>
    /// <para>The new blocks are made beside the old ones, which go when all are made: the pool must have room for both.</para>
    /// </remarks>
    /// <param name="policy">One entry per layer. Of an entry with steps by age the codecs of its oldest tokens count.</param>
    /// <param name="tokens">How many, from the beginning of the sequence; evicted ones and sinks count, and stay as they are. More than there are for all.</param>
    /// <exception cref="ArgumentException">The policy has another number of layers, or a codec does not take its dimension.</exception>
    /// <exception cref="InvalidOperationException">A codec chooses from tokens that are evicted, or the tokens of a layer would be stored in more than eight ways.</exception>
    /// <exception cref="CacheFullException">The pool's limit leaves no room, or the tokens would take more than before and than the cache's own allows; the cache is as it was.</exception>
    public void Recode(IReadOnlyList<LayerSpecs> policy, int tokens)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (policy.Count != Geometry.Layers)
            throw new ArgumentException($"The policy has {policy.Count} layers; the cache has {Geometry.Layers}.", nameof(policy));
        PolicyCost.RequireFewSpecs(policy);
        EnterWrite();
        List<LayerMemory> made = [];
        List<(int Layer, LayerLayout Layout, LayerExtent Before, LayerExtent After)> done = [];
        try
        {
            RequireAlive();
            Dictionary<(CodecSpec, int, CodecRole), Codec> codecs = [];
            List<(LayerMemory Old, LayerMemory New, LayerExtent After)> changes = [];
            foreach (int layer in Geometry.OwnLayers)
            {
                if (Prepared(_layers[layer], policy[layer].Oldest, layer, tokens, codecs) is not { } change)
                    continue;
                made.Add(change.New);
                done.Add((layer, change.New.Layout, change.New.Extent, change.After));
                changes.Add((_layers[layer], change.New, change.After));
                change.New.Reserve(change.After, writesFront: true, _scratch.Reserved);
            }

            _scratch.InstallReserved();
            foreach ((LayerMemory old, LayerMemory recoded, LayerExtent after) in changes)
                recoded.TakeFront(old);
            foreach ((_, LayerMemory recoded, LayerExtent after) in changes)
                LayerRecoding.Run(recoded, after, _scratch);

            // Nothing can fail any more.
            made.Clear();
            foreach ((LayerMemory old, LayerMemory recoded, LayerExtent after) in changes)
            {
                recoded.Become(after);
                Replace(old, recoded);
            }

            _recoded |= changes.Count > 0;
            TrimOwnPool();
        }
        finally
        {
            ReturnReserved();
            foreach (LayerMemory half in made)
                half.GiveUp();
            ExitWrite();
        }

        foreach ((int layer, LayerLayout layout, LayerExtent before, LayerExtent after) in done)
            Tell(layer, layout, before, after);
    }

    // The oldest first.
    private void Tell(int layer, LayerLayout layout, LayerExtent before, LayerExtent after)
    {
        if (Recoded is not { } recoded)
            return;
        for (int step = layout.Steps.Length - 1; step >= 1; step--)
        {
            int first = Math.Max(Math.Max(before.End(step), after.End(step + 1)), layout.FirstLiveRow(after)), end = after.End(step);
            if (first < end)
                recoded(layer, layout.Sinks + first, end - first, layout.Steps[step].AsAge);
        }
    }

    // A layer whose oldest rows are about to be coded again, sharing all that stays; null where there is nothing to do.
    private (LayerMemory New, LayerExtent After)? Prepared(LayerMemory memory, LayerSpecs specs, int layer, int tokens, Dictionary<(CodecSpec, int, CodecRole), Codec> codecs)
    {
        LayerLayout layout = memory.Layout;
        // Steps that calls made and that have no row any more go, unless rows of a block of theirs still wait to be closed; the last one goes on where its codecs are wanted again.
        bool hasParts = layout.HasPartsOfOlder(memory.Extent);
        int[] kept = [.. Enumerable.Range(0, layout.Steps.Length).Where(step => layout.Steps[step].Age < AgeStep.Never || hasParts || memory.Extent.End(step) > memory.Extent.End(step + 1))];
        bool goesOn = layout.Steps[kept[^1]] is { Age: AgeStep.Never } last && last.Specs == specs;
        if (!goesOn && kept.Length > LayerSpecs.MostAges)
            throw new InvalidOperationException($"Layer {layer} has tokens in {kept.Length} kinds of blocks; more are not possible. Recode all of them to one.");
        LayerLayout other = LayerLayouts.WithStep(layout, kept, goesOn ? null : specs, codecs);
        int end = LayerRecoding.End(other, memory.Extent, tokens);
        if (end <= memory.Extent.End(kept[^1]) && (goesOn || end == 0))
            return null;
        LayerMemory recoded = memory.Under(other, kept, TurnOf(layer));
        LayerExtent after = LayerRecoding.After(other, recoded.Extent, end);
        try
        {
            (long held, long wanted) = (layout.Bytes(memory.Extent), other.Bytes(after));
            if (wanted > held && wanted > other.MemoryLimit)
                throw Full(layer, held, wanted);
            if (!goesOn)
                recoded.Choose([.. Enumerable.Range(0, other.Sides.Length).Select(side => LayerRecoding.Choose(memory, other.Steps[^1], side))]);
        }
        catch
        {
            recoded.GiveUp();
            throw;
        }

        return (recoded, after);
    }

    private void Replace(LayerMemory old, LayerMemory by)
    {
        old.GiveUp();
        _own[Array.IndexOf(_own, old)] = by;
        for (int layer = 0; layer < _layers.Length; layer++)
            _layers[layer] = _layers[layer] == old ? by : _layers[layer];
    }

    // Layers without rows are as they were made.
    private void ForgetRecoding()
    {
        for (int layer = 0; layer < _layers.Length; layer++)
        {
            if (Geometry[layer].SharedLayer is null && _layers[layer].Layout is { Origin: { } origin })
                Replace(_layers[layer], new LayerMemory(origin, _pool, TurnOf(layer)));
        }

        _recoded = false;
    }
}
