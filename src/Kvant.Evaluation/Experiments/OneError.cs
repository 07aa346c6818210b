using System.Runtime.ExceptionServices;

namespace Kvant.Evaluation.Experiments;

/// <summary>Loops over threads that end with the error of one of them: an aggregate of the same error from every thread says less.</summary>
internal static class OneError
{
    /// <summary>Runs a body for 0 to count - 1.</summary>
    public static void For(int count, int threads, Action<int> body, CancellationToken cancellation) =>
        Unwrap(() => Parallel.For(0, count, Options(threads, cancellation), body));

    /// <summary>Runs a body for 0 to count - 1; each thread makes its tools once and gives them back in the end.</summary>
    public static void For<TTools>(int count, int threads, Func<TTools> open, Action<int, TTools> body, CancellationToken cancellation)
        where TTools : IDisposable => Unwrap(() => Parallel.For(
            0, count, Options(threads, cancellation), open,
            (i, _, tools) =>
            {
                body(i, tools);
                return tools;
            },
            tools => tools.Dispose()));

    private static ParallelOptions Options(int threads, CancellationToken cancellation) => new() { MaxDegreeOfParallelism = threads, CancellationToken = cancellation };

    private static void Unwrap(Action loop)
    {
        try
        {
            loop();
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions.FirstOrDefault(i => i is not OperationCanceledException) ?? e.InnerExceptions[0]);
        }
    }
}
