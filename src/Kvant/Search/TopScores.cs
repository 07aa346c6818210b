using System.Numerics;
using System.Runtime.InteropServices;

namespace Kvant.Search;

/// <summary>The largest of many scores: a heap with the worst of those kept on top. Most scores are no better than that one, which a register of
/// them shows at once.</summary>
internal sealed class TopScores
{
    private ScoredVector[] _kept = [];
    private int _wanted;
    private int _count;

    /// <summary>Begins anew.</summary>
    /// <param name="wanted">How many are kept.</param>
    public void Clear(int wanted)
    {
        (_wanted, _count) = (wanted, 0);
    }

    /// <summary>Takes scores of vectors one after the other.</summary>
    /// <param name="scores">Those that are no numbers are left out.</param>
    /// <param name="first">The vector of the first.</param>
    public void Add(ReadOnlySpan<float> scores, int first)
    {
        ref float start = ref MemoryMarshal.GetReference(scores);
        int i = 0;
        for (; i + Vector<float>.Count <= scores.Length; i += Vector<float>.Count)
        {
            // Equal ones too: threads do not come in the order of the vectors.
            if (_count == _wanted && !Vector.GreaterThanOrEqualAny(Vector.LoadUnsafe(ref start, (nuint)i), new Vector<float>(_kept[0].Score)))
                continue;
            for (int lane = i; lane < i + Vector<float>.Count; lane++)
                Add(new ScoredVector(first + lane, scores[lane]));
        }

        for (; i < scores.Length; i++)
            Add(new ScoredVector(first + i, scores[i]));
    }

    /// <summary>Takes what another one kept.</summary>
    public void Add(TopScores other)
    {
        foreach (ScoredVector vector in other._kept.AsSpan(0, other._count))
            Add(vector);
    }

    /// <summary>Hands out what was kept, the best first; what is not there has the index -1.</summary>
    public void CopyTo(Span<ScoredVector> best)
    {
        best[_count..].Fill(new ScoredVector(-1, float.NegativeInfinity));
        for (int i = _count - 1; i >= 0; i--)
        {
            best[i] = _kept[0];
            _kept[0] = _kept[--_count];
            Sink();
        }
    }

    private void Add(ScoredVector vector)
    {
        if (float.IsNaN(vector.Score))
            return;
        if (_count < _wanted)
        {
            if (_count == _kept.Length)
                Array.Resize(ref _kept, Math.Min(_wanted, Math.Max(16, 2 * _count)));
            _kept[_count++] = vector;
            Rise();
        }
        else if (_wanted > 0 && IsWorse(_kept[0], vector))
        {
            _kept[0] = vector;
            Sink();
        }
    }

    private static bool IsWorse(ScoredVector a, ScoredVector b) => a.Score < b.Score || (a.Score == b.Score && a.Index > b.Index);

    private void Rise()
    {
        for (int i = _count - 1, parent = (i - 1) / 2; i > 0 && IsWorse(_kept[i], _kept[parent]); i = parent, parent = (i - 1) / 2)
            (_kept[i], _kept[parent]) = (_kept[parent], _kept[i]);
    }

    private void Sink()
    {
        for (int i = 0, child = 1; child < _count; i = child, child = (2 * i) + 1)
        {
            if (child + 1 < _count && IsWorse(_kept[child + 1], _kept[child]))
                child++;
            if (!IsWorse(_kept[child], _kept[i]))
                return;
            (_kept[i], _kept[child]) = (_kept[child], _kept[i]);
        }
    }
}
