namespace Kvant.Gpu.Steps;

/// <summary>What a token's queries see.</summary>
/// <param name="Position">Where the token stands.</param>
/// <param name="First">The first position beside the sinks that it sees.</param>
/// <param name="FirstSink">The first sink.</param>
/// <param name="End">Behind the last.</param>
internal readonly record struct Sight(int Position, int First, int FirstSink, int End);
