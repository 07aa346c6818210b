using Kvant.Caching;

namespace Kvant.Attention;

/// <summary>One sequence of a call.</summary>
/// <param name="Cache">Its cache.</param>
/// <param name="Position">The position of its newest token, or of the first of a part of a prompt.</param>
/// <param name="Runs">Runs that hold the living tokens of a head.</param>
/// <param name="Splits">Ranges of runs that threads take apart.</param>
/// <param name="FirstItem">The first of its items: pieces of work that threads take in turn.</param>
internal readonly record struct SequenceStep(KvCache Cache, int Position, int Runs, int Splits, int FirstItem);
