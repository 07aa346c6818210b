namespace Kvant.Models.Weights;

/// <summary>Something that can be done in parts at once.</summary>
internal interface IWork
{
    /// <summary>Does one of so many parts; each is done exactly once, by any thread.</summary>
    void Run(int part, int parts);
}
