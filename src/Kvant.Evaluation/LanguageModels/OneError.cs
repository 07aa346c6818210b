using System.Runtime.ExceptionServices;

namespace Kvant.Evaluation.LanguageModels;

/// <summary>Loops over threads that end with the error of one of them: an aggregate of the same error from every thread says less.</summary>
internal static class OneError
{
    /// <summary>Runs a body for 0 to count - 1; each thread makes its tools once and gives them back in the end.</summary>
    public static void For<TTools>(int count, ParallelOptions options, Func<TTools> open, Action<int, TTools> body)
        where TTools : IDisposable
    {
        try
        {
            Parallel.For(
                0, count, options, open,
                (i, _, tools) =>
                {
                    body(i, tools);
                    return tools;
                },
                tools => tools.Dispose());
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions.FirstOrDefault(i => i is not OperationCanceledException) ?? e.InnerExceptions[0]);
        }
    }
}
