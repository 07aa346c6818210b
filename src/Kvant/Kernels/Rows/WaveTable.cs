namespace Kvant.Kernels;

/// <summary>
/// What sums of waves over a page of 128 rows are made of (<see cref="WaveSums"/>): cosines are alike on both sides of the middle and sines opposite, so that one half is enough.
/// Pairs that turn fast are there as they are, row by row. Of those that turn by less than 4.5 radians from the middle to the end, the sums at 8 places of a half (Chebyshev's
/// 16 of the page) say everything: the polynomial between them is exact to 4e-8.
/// </summary>
internal sealed class WaveTable
{
    /// <summary>Rows of a page.</summary>
    public const int PageRows = 128;

    /// <summary>Rows of a half.</summary>
    public const int HalfRows = PageRows / 2;

    /// <summary>Places of a half.</summary>
    public const int Places = 8;

    /// <summary>From the first row of a page to its middle.</summary>
    public const double Middle = (PageRows - 1) / 2.0;

    private const double MostRadians = 4.5;

    // Numbers of pairs are whole registers.
    private const int Multiple = 16;

    /// <summary>Makes the waves.</summary>
    /// <param name="speeds">Radians by row, the fastest first.</param>
    /// <param name="sinCos">Sine and cosine of an angle.</param>
    public WaveTable(ReadOnlySpan<double> speeds, Func<double, (double Sine, double Cosine)> sinCos)
    {
        while (Fast < speeds.Length && speeds[Fast] * Middle > MostRadians)
            Fast++;
        Slow = speeds.Length - Fast;
        Pairs = Padded(speeds.Length);
        (Even, Odd) = (new float[(Fast + Places) * HalfRows], new float[(Fast + Places) * HalfRows]);
        (EvenPlaces, OddPlaces) = (new float[Slow * Places], new float[Slow * Places]);
        double[] places = new double[Places];
        for (int k = 0; k < Places; k++)
            places[k] = Middle * sinCos(Math.PI * ((2 * k) + 1) / (4 * Places)).Cosine;
        for (int i = 0; i < Fast * HalfRows; i++)
            (Odd[i], Even[i]) = Wave(speeds[i / HalfRows] * ((i % HalfRows) + 0.5));
        for (int i = 0; i < Slow * Places; i++)
            (OddPlaces[i], EvenPlaces[i]) = Wave(speeds[Fast + (i / Places)] * places[i % Places]);
        for (int i = 0; i < Places * HalfRows; i++)
        {
            (double here, double there) = Polynomials(places, i / HalfRows, (i % HalfRows) + 0.5);
            (Even[(Fast * HalfRows) + i], Odd[(Fast * HalfRows) + i]) = ((float)(here + there), (float)(here - there));
        }

        (float Sine, float Cosine) Wave(double angle)
        {
            (double sine, double cosine) = sinCos(angle);
            return ((float)sine, (float)cosine);
        }
    }

    /// <summary>Pairs that the numbers of a query have room for; those behind the last are zero.</summary>
    public int Pairs { get; }

    /// <summary>How many pairs turn fast.</summary>
    public int Fast { get; }

    /// <summary>How many do not.</summary>
    public int Slow { get; }

    /// <summary>[cosines of fast pairs, then places][row of the second half]: what is alike on both sides of the middle.</summary>
    public float[] Even { get; }

    /// <summary>[sines of fast pairs, then places][row of the second half]: what is opposite.</summary>
    public float[] Odd { get; }

    /// <summary>[cosines of slow pairs][place].</summary>
    public float[] EvenPlaces { get; }

    /// <summary>[sines of slow pairs][place].</summary>
    public float[] OddPlaces { get; }

    /// <summary>Whole registers for so many pairs.</summary>
    public static int Padded(int pairs) => (pairs + Multiple - 1) / Multiple * Multiple;

    // Lagrange's polynomial of a place, and that of the place opposite.
    private static (double Here, double There) Polynomials(double[] places, int k, double x)
    {
        double own = places[k], common = 1;
        for (int i = 0; i < places.Length; i++)
            common *= i == k ? 1 : (x - places[i]) * (x + places[i]) / ((own - places[i]) * (own + places[i]));
        return (common * (x + own) / (2 * own), common * (x - own) / (-2 * own));
    }
}
