namespace Kvant.Evaluation.Metrics;

internal static class SameLength
{
    public static void Require(int exact, int decoded)
    {
        if (exact != decoded)
            throw new ArgumentException($"There are {decoded} decoded numbers; {exact} are wanted, one for each exact one.", nameof(decoded));
    }
}
