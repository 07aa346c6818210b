using System.Runtime.Intrinsics;

namespace Kvant.Models.Formats;

/// <summary>The 32 codes of a run, in order.</summary>
/// <param name="First">The first 16.</param>
/// <param name="Last">The last 16.</param>
internal readonly record struct RunCodes(Vector256<short> First, Vector256<short> Last);
