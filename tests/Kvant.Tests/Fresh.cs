using System.Globalization;

namespace Kvant.Tests;

/// <summary>
/// Seeds of laws, other ones in each run. A failure says how to repeat it: with the environment variable <c>KVANT_SEED</c>, from which all seeds
/// of a run follow.
/// </summary>
internal static class Fresh
{
    private const string Variable = "KVANT_SEED";

    /// <summary>What all seeds of this run follow from.</summary>
    public static int Run { get; } =
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } said ? int.Parse(said, CultureInfo.InvariantCulture) : Random.Shared.Next();

    /// <summary>Tries a law.</summary>
    /// <param name="law">What it is about; other cases get other seeds.</param>
    /// <param name="count">Seeds to try.</param>
    /// <param name="check">Fails by an exception.</param>
    public static void Each(string law, int count, Action<int> check)
    {
        // Not string.GetHashCode, which differs from run to run.
        int start = law.Aggregate(Run, static (hash, letter) => (hash * 31) + letter);
        for (int i = 0; i < count; i++)
        {
            int seed = new Random(start + i).Next();
            try
            {
                check(seed);
            }
            catch (Exception failure)
            {
                Assert.Fail($"{law}, seed {seed}: {failure.Message}\nTo repeat it: {Variable}={Run}\n{failure}");
            }
        }
    }
}
