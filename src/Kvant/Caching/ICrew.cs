namespace Kvant.Caching;

/// <summary>Threads that a caller lends for a call, such as those of attention.</summary>
internal interface ICrew
{
    /// <summary>How many work at once, the calling thread counted.</summary>
    int Size { get; }

    /// <summary>Does one step and returns when all are done.</summary>
    /// <param name="work">What each does; it gets its number, 0 for the calling thread.</param>
    /// <param name="alone">Whether the calling thread does it all, as number 0.</param>
    void Run(Action<int> work, bool alone);
}
