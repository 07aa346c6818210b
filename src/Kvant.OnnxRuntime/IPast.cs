using Kvant.Caching;
using Microsoft.ML.OnnxRuntime;

namespace Kvant.OnnxRuntime;

/// <summary>How the past of a step's sequences comes into a run, and new tokens into their caches.</summary>
internal interface IPast : IDisposable
{
    /// <summary>Tokens that the longest sequence has before the step.</summary>
    int Longest { get; }

    /// <summary>How many each has.</summary>
    ReadOnlySpan<int> Lengths { get; }

    /// <summary>Gives the past of some sequences to a binding.</summary>
    /// <param name="binding">Receives what the session wants of it.</param>
    /// <param name="caches">The sequences.</param>
    /// <param name="tokens">Tokens of the step, of each sequence.</param>
    void Bind(OrtIoBinding binding, ReadOnlySpan<KvCache> caches, int tokens);

    /// <summary>After a run: new tokens are in the caches.</summary>
    /// <param name="tokens">As many as were said.</param>
    void Take(int tokens);

    /// <summary>After a run that failed.</summary>
    void Forget();
}
