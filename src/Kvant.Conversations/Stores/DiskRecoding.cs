using Kvant.Caching;
using Kvant.Conversations.Chunks;

namespace Kvant.Conversations.Stores;

/// <summary>
/// Codes chunks of a folder again to fewer bits, in their places: their own recipe says how they were stored, and the first chunk of their sequence what codecs chose. A chunk is replaced as it is
/// put, whole or not at all, and stays as old as its last use was. One thread at a time.
/// </summary>
/// <param name="folder">The files.</param>
/// <param name="to">The codecs of all layers.</param>
internal sealed class DiskRecoding(DiskFolder folder, LayerSpecs to)
{
    // Blocks that would lose less than an eighth of their bytes are not worth a second coding.
    private const int LeastGain = 8;

    // Sequences of so many kinds are kept in mind.
    private const int MostKinds = 16;

    private readonly List<ChunkPlan> _plans = [];
    private readonly List<(ChunkForm From, ChunkForm To)> _targets = [];
    private (ChunkKey Last, ChunkKey First, SequenceCodecs Codecs)? _sequence; // that of the chunk before

    /// <summary>Whether nothing is left to do for a chunk, as far as its beginning says.</summary>
    public bool IsDone(ReadOnlySpan<byte> start)
    {
        try
        {
            ReadOnlySpan<byte> recipe = ChunkHeader.RecipeOf(start, out int layers);
            return !recipe.IsEmpty && PlanOf(recipe, layers) is var (plan, form) && TargetOf(plan, form).Is(form);
        }
        catch (Exception refused) when (refused is InvalidDataException or ArgumentException)
        {
            return true;
        }
    }

    /// <summary>Codes a chunk again, if it gets smaller.</summary>
    /// <returns>Bytes that it takes less; 0 where it stays as it is, and why, unless it is in as few bits already.</returns>
    public (long Saved, string? Problem) Run(ChunkKey key)
    {
        string path = folder.PathOf(key);
        try
        {
            byte[] value = File.ReadAllBytes(path);
            if (ChunkHeader.Read(value, out ChunkHeader? header) is not null || header!.Key != key)
                return (0, "it is damaged or no chunk");
            (ChunkPlan plan, header.Form) = PlanOf(header.Recipe, header.Layers.Length);
            if (!ChunkBytes.IsWhole(plan, header, value))
                return (0, "it is damaged or no chunk");
            ChunkForm target = TargetOf(plan, header.Form);
            if (LeastGain * (value.Length - ChunkRecoding.Length(plan, header, value.Length, target)) < ChunkRecoding.BlockBytes(plan, header, header.Form))
                return (0, null);
            if (CodecsOf(plan, header, value) is not { } codecs)
                return (0, "what comes before it is gone");
            if (!codecs.State.AsSpan().SequenceEqual(header.State))
                return (0, "its first chunk was stored by another who computed it");
            byte[] coded = ChunkRecoding.Run(plan, header, value, codecs, target);
            DateTime lastUse = File.GetLastWriteTimeUtc(path);
            if (folder.Write(key, coded) != PutOutcome.Stored)
                return (0, "it cannot be written");
            DiskFolder.Touch(path, lastUse);
            ConversationMetrics.Recoded("disk");
            return (value.Length - coded.Length, null);
        }
        catch (Exception refused) when (refused is InvalidDataException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            return (0, refused.Message);
        }
    }

    // Who stores does not change his mind from chunk to chunk.
    private (ChunkPlan Plan, ChunkForm Form) PlanOf(ReadOnlySpan<byte> recipe, int layers)
    {
        foreach (ChunkPlan plan in _plans)
        {
            if (plan.FormOf(recipe) is { } form)
                return (plan, form);
        }

        (ChunkPlan Plan, ChunkForm Form) read = RecipeReading.Read(recipe, layers);
        Keep(_plans, read.Plan);
        return read;
    }

    private ChunkForm TargetOf(ChunkPlan plan, ChunkForm form)
    {
        foreach ((ChunkForm from, ChunkForm known) in _targets)
        {
            if (from == form)
                return known;
        }

        ChunkForm target = form.Smaller(plan, to);
        Keep(_targets, (form, target));
        return target;
    }

    // What the first chunk of a sequence says; null where it is not there any more.
    private SequenceCodecs? CodecsOf(ChunkPlan plan, ChunkHeader header, byte[] value)
    {
        int chunk = plan.NumberOf(header);
        if (!plan.HasState)
            return new(plan, null, []);
        if (_sequence is { } before && chunk > 0 && (before.Last == header.Parent || before.First == header.Parent))
        {
            _sequence = before with { Last = header.Key };
            return before.Codecs;
        }

        ChunkKey first = chunk == 0 ? header.Key : header.Parent;
        Span<byte> start = stackalloc byte[128];
        for (int number = chunk - 1; number > 0; number--)
        {
            ReadOnlySpan<byte> read = start[..DiskFolder.ReadStart(folder.PathOf(first), start)];
            // What is not there, or goes in a circle.
            if (ChunkHeader.PositionOf(read) != plan.Border(number))
                return null;
            first = ChunkHeader.ParentOf(read);
        }

        if (_sequence is not { } known || known.First != first)
        {
            if (chunk > 0)
            {
                value = File.Exists(folder.PathOf(first)) ? File.ReadAllBytes(folder.PathOf(first)) : [];
                if (ChunkHeader.Read(value, out ChunkHeader? found) is not null || found!.Key != first || found.Position != 0)
                    return null;
                header = found;
                header.Form = plan.FormOf(header.Recipe);
                if (header.Form is null || !ChunkBytes.IsWhole(plan, header, value))
                    return null;
            }

            _sequence = (header.Key, first, new SequenceCodecs(plan, header, value));
        }

        return _sequence.Value.Codecs;
    }

    private static void Keep<T>(List<T> kinds, T kind)
    {
        if (kinds.Count == MostKinds)
            kinds.RemoveAt(0);
        kinds.Add(kind);
    }
}
