using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Kvant.Serving;

/// <summary>A server of its own, that of the tool.</summary>
internal static class KvantHost
{
    /// <summary>Opens a model and makes a server of it that is not started yet. Signals are its caller's.</summary>
    /// <param name="options">Which model, to whom, within which limits.</param>
    /// <param name="address">Where it listens.</param>
    /// <param name="port">Likewise; 0 for one that is free.</param>
    /// <param name="patience">How long answers may go on when it is to end.</param>
    public static WebApplication Create(KvantServingOptions options, IPAddress address, int port, TimeSpan patience)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        // Whoever runs it hears of faults of ours, on the error output, and of nothing else.
        builder.Logging.ClearProviders().AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Error)
            .AddFilter(null, LogLevel.None).AddFilter("Kvant", LogLevel.Error);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(address, port);
        });
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = patience);
        // A page in a browser of this machine may reach it by a name of its own; without a key nothing else would keep that page out.
        if (IPAddress.IsLoopback(address))
            builder.Services.Configure<HostFilteringOptions>(hosts => hosts.AllowedHosts = ["localhost", "127.0.0.1", "[::1]", address.ToString()]);
        builder.Services.AddKvant(options);
        WebApplication app = builder.Build();
        try
        {
            if (IPAddress.IsLoopback(address))
                app.UseHostFiltering();
            app.MapKvant();
            return app;
        }
        catch
        {
            ((IDisposable)app).Dispose();
            throw;
        }
    }

    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
