namespace Kvant.Models.Generation;

/// <summary>How many tokens took how long.</summary>
/// <param name="Tokens">The tokens.</param>
/// <param name="Time">The time for all of them.</param>
public readonly record struct TokenSpeed(int Tokens, TimeSpan Time)
{
    /// <summary>Tokens in a second; 0 if there were none.</summary>
    public double PerSecond => Tokens == 0 ? 0 : Tokens / Math.Max(Time.TotalSeconds, 1e-9);
}
