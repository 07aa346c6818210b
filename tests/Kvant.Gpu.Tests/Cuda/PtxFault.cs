namespace Kvant.Gpu.Tests.Cuda;

/// <summary>A kernel did what it must not: touched memory that is not its own, raced, or waited for threads that never come.</summary>
internal sealed class PtxFault(string message) : Exception(message);
