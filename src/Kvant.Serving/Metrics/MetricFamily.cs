using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Kvant.Serving.Metrics;

/// <summary>What one instrument said, by labels.</summary>
/// <param name="name">As Prometheus calls it.</param>
/// <param name="instrument">What it is and how it counts.</param>
internal sealed class MetricFamily(string name, Instrument instrument)
{
    // From a millisecond to a minute.
    private static readonly double[] s_bounds = [.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60];

    private readonly SortedDictionary<string, Series> _series = new(StringComparer.Ordinal);

    private string Type => instrument switch
    {
        Counter<long> or Counter<int> or Counter<double> => "counter",
        Histogram<long> or Histogram<int> or Histogram<double> => "histogram",
        _ => "gauge",
    };

    /// <summary>A name with its unit, and with <c>_total</c> where it only grows.</summary>
    public static string NameOf(Instrument instrument)
    {
        string unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        return NameOf(instrument.Name) + unit + (instrument is Counter<long> or Counter<int> or Counter<double> ? "_total" : "");
    }

    /// <summary>A name in the letters that Prometheus takes.</summary>
    public static string NameOf(string text) => string.Concat(text.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));

    /// <summary>Takes a measurement.</summary>
    /// <param name="labels">As they are written.</param>
    /// <param name="value">What is added.</param>
    public void Take(string labels, double value)
    {
        if (!_series.TryGetValue(labels, out Series? series))
            _series.Add(labels, series = new Series(new long[s_bounds.Length]));
        series.Count++;
        series.Sum += value;
        int bucket = Array.FindIndex(s_bounds, bound => value <= bound);
        if (bucket >= 0)
            series.Buckets[bucket]++;
    }

    /// <summary>Forgets what an instrument said that says all of it whenever it is asked.</summary>
    public void ForgetObserved()
    {
        if (instrument.IsObservable)
            _series.Clear();
    }

    /// <summary>Writes it.</summary>
    public void Write(StringBuilder page)
    {
        page.Append("# HELP ").Append(name).Append(' ').Append(instrument.Description).Append('\n');
        page.Append("# TYPE ").Append(name).Append(' ').Append(Type).Append('\n');
        foreach ((string labels, Series series) in _series)
        {
            if (Type != "histogram")
            {
                Line(page, "", labels, series.Sum);
                continue;
            }

            long below = 0;
            for (int i = 0; i < s_bounds.Length; i++)
                Line(page, "_bucket", With(labels, s_bounds[i].ToString(CultureInfo.InvariantCulture)), below += series.Buckets[i]);
            Line(page, "_bucket", With(labels, "+Inf"), series.Count);
            Line(page, "_sum", labels, series.Sum);
            Line(page, "_count", labels, series.Count);
        }
    }

    private static string With(string labels, string bound) => $"{labels}{(labels.Length == 0 ? "" : ",")}le=\"{bound}\"";

    private void Line(StringBuilder page, string suffix, string labels, double value) =>
        page.Append(name).Append(suffix).Append(labels.Length == 0 ? "" : $"{{{labels}}}").Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');

    private sealed class Series(long[] buckets)
    {
        public long[] Buckets { get; } = buckets;

        public long Count { get; set; }

        public double Sum { get; set; }
    }
}
