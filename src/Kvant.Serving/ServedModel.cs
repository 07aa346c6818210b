using System.Diagnostics.Metrics;
using Kvant.Chat;
using Kvant.Serving.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kvant.Serving;

/// <summary>A model that is open for requests, with who may ask.</summary>
internal sealed class ServedModel : IAsyncDisposable
{
    private readonly Meter _meter = new("Kvant.Serving");

    /// <summary>Opens it.</summary>
    /// <param name="options">Which, to whom, within which limits.</param>
    /// <param name="loggers">Hear of faults; null for nobody.</param>
    public ServedModel(KvantServingOptions options, ILoggerFactory? loggers = null)
    {
        (Options, Logger) = (options, loggers?.CreateLogger("Kvant.Serving") ?? NullLogger.Instance);
        Keys = new ApiKeys(options.ApiKeys);
        Metrics = new PrometheusPage();
        try
        {
            Engine = new TextEngine(options.Model, needsTemplate: false, Logger);
        }
        catch
        {
            Metrics.Dispose();
            _meter.Dispose();
            throw;
        }

        Created = new DateTimeOffset(File.GetLastWriteTimeUtc(options.Model.Model)).ToUnixTimeSeconds();
        _meter.CreateObservableUpDownCounter("kvant.serving.cache", () => Engine.UsedBytes, "By", "Memory of all caches.");
    }

    public KvantServingOptions Options { get; }

    /// <summary>Hears of faults.</summary>
    public ILogger Logger { get; }

    public TextEngine Engine { get; }

    public ApiKeys Keys { get; }

    public PrometheusPage Metrics { get; }

    /// <summary>When the model's file was written, in seconds of Unix.</summary>
    public long Created { get; }

    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync().ConfigureAwait(false);
        _meter.Dispose();
        Metrics.Dispose();
    }
}
