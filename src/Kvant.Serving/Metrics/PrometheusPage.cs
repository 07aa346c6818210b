using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Kvant.Serving.Metrics;

/// <summary>Listens to the library's instruments and writes what they said as Prometheus reads it: text, version 0.0.4.</summary>
internal sealed class PrometheusPage : IDisposable
{
    /// <summary>What the page is.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private const string MeterPrefix = "Kvant.";

    private readonly MeterListener _listener = new();
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, MetricFamily> _families = new(StringComparer.Ordinal);

    /// <summary>Begins to listen.</summary>
    public PrometheusPage()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name.StartsWith(MeterPrefix, StringComparison.Ordinal))
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>The page.</summary>
    public string Write()
    {
        StringBuilder page = new();
        lock (_lock)
        {
            // Several servers of one process are added up.
            foreach (MetricFamily family in _families.Values)
                family.ForgetObserved();
            _listener.RecordObservableInstruments();
            foreach (MetricFamily family in _families.Values)
                family.Write(page);
        }

        return page.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private void Take(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        StringBuilder labels = new();
        foreach ((string key, object? tag) in tags)
        {
            string text = Convert.ToString(tag, CultureInfo.InvariantCulture) ?? "";
            labels.Append(labels.Length == 0 ? "" : ",").Append(MetricFamily.NameOf(key)).Append("=\"").Append(text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)).Append('"');
        }

        lock (_lock)
        {
            string name = MetricFamily.NameOf(instrument);
            if (!_families.TryGetValue(name, out MetricFamily? family))
                _families.Add(name, family = new MetricFamily(name, instrument));
            family.Take(labels.ToString(), value);
        }
    }
}
