using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Kvant.Serving;

/// <summary>Serves a model by the protocol of OpenAI in any ASP.NET Core application.</summary>
/// <example><code>
/// builder.Services.AddKvant(new() { Model = new() { Model = "model.gguf" }, ApiKeys = ["secret"] });
/// WebApplication app = builder.Build();
/// app.MapKvant();
/// </code></example>
public static class KvantServing
{
    /// <summary>Registers a model, which is opened by <see cref="MapKvant"/> and closed with the container. Its loggers hear of faults.</summary>
    /// <param name="services">The container.</param>
    /// <param name="options">Which model, to whom, within which limits.</param>
    public static IServiceCollection AddKvant(this IServiceCollection services, KvantServingOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        return services.AddSingleton(provider => new ServedModel(options, provider.GetService<ILoggerFactory>()));
    }

    /// <summary>Opens the model and maps <c>/v1/chat/completions</c>, <c>/v1/completions</c>, <c>/v1/models</c>, <c>/health</c> and <c>/metrics</c>.</summary>
    /// <param name="endpoints">Where to; a group, for another place than the root.</param>
    /// <exception cref="InvalidOperationException">No model is registered (<see cref="AddKvant"/>).</exception>
    /// <exception cref="InvalidDataException">The file is no model that can be run, or the policy is one for another model.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="ArgumentException">The policy is neither a preset nor a file, or does not fit the model.</exception>
    /// <exception cref="FormatException">Its steps by age are not understood.</exception>
    public static IEndpointRouteBuilder MapKvant(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ServedModel model = endpoints.ServiceProvider.GetRequiredService<ServedModel>();
        endpoints.MapPost("/v1/chat/completions", (RequestDelegate)(http => Door.EnterAsync(http, model, Completions.ChatAsync)));
        endpoints.MapPost("/v1/completions", (RequestDelegate)(http => Door.EnterAsync(http, model, Completions.TextAsync)));
        endpoints.MapGet("/v1/models", (RequestDelegate)(http => Door.EnterAsync(http, model, Models.ListAsync)));
        endpoints.MapGet("/v1/models/{model}", (RequestDelegate)(http => Door.EnterAsync(http, model, Models.ShowAsync)));
        endpoints.Map("/v1/{**rest}", (RequestDelegate)(http => Door.EnterAsync(http, model, static (context, _, _) => throw ApiError.NotFound($"There is no {context.Request.Method} {context.Request.Path}.", null, "unknown_url"))));
        endpoints.MapGet("/metrics", (RequestDelegate)(http => Door.EnterAsync(http, model, Models.MetricsAsync)));
        endpoints.MapGet("/health", (RequestDelegate)(http => http.Response.WriteAsync("""{"status":"ok"}""", http.RequestAborted)));
        return endpoints;
    }
}
