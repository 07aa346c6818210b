namespace Kvant.Evaluation.Speed;

/// <summary>Something that is timed beside others.</summary>
/// <param name="step">What is timed; it gets a place.</param>
/// <param name="places">Places that steps take in turn, such as layers that lie apart in memory; 1 to repeat the same.</param>
internal sealed class Contender(Action<int> step, int places = 1)
{
    private int _place;

    /// <summary>Does steps, one after the other.</summary>
    /// <param name="count">How many.</param>
    public void Run(int count)
    {
        for (int i = 0; i < count; i++)
        {
            step(_place);
            _place = _place + 1 == places ? 0 : _place + 1;
        }
    }
}
