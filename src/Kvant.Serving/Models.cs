using System.Text.Json;
using Kvant.Serving.Wire;
using Microsoft.AspNetCore.Http;

namespace Kvant.Serving;

/// <summary>What the server says of itself.</summary>
internal static class Models
{
    /// <summary>GET /v1/models.</summary>
    public static Task ListAsync(HttpContext http, ServedModel model, string tenant) => Json.SendAsync(http, json =>
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        Write(json, model);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    /// <summary>GET /v1/models/NAME.</summary>
    public static Task ShowAsync(HttpContext http, ServedModel model, string tenant)
    {
        Require(model, http.Request.RouteValues["model"] as string);
        return Json.SendAsync(http, json => Write(json, model));
    }

    /// <summary>GET /metrics.</summary>
    public static Task MetricsAsync(HttpContext http, ServedModel model, string tenant)
    {
        http.Response.ContentType = Metrics.PrometheusPage.ContentType;
        return http.Response.WriteAsync(model.Metrics.Write(), http.RequestAborted);
    }

    /// <summary>Refuses the name of another model; a request without one means the only one that there is.</summary>
    public static void Require(ServedModel model, string? name)
    {
        if (name is not null && name != model.Options.Name)
            throw ApiError.NotFound($"The model '{name}' does not exist here; this server has '{model.Options.Name}'.", "model", "model_not_found");
    }

    private static void Write(Utf8JsonWriter json, ServedModel model)
    {
        json.WriteStartObject();
        json.WriteString("id", model.Options.Name);
        json.WriteString("object", "model");
        json.WriteNumber("created", model.Created);
        json.WriteString("owned_by", "kvant");
        json.WriteEndObject();
    }
}
