namespace Kvant.Evaluation.Experiments;

/// <summary>How far an experiment is.</summary>
/// <param name="Done">Steps done.</param>
/// <param name="Total">All steps.</param>
public readonly record struct TraceProgress(long Done, long Total)
{
    /// <summary>The done share, 0 to 1.</summary>
    public double Share => Total == 0 ? 1 : (double)Done / Total;
}
