using Kvant.Chat;
using Kvant.Chat.Scheduling;
using Kvant.Serving.Wire;
using Microsoft.AspNetCore.Http;

namespace Kvant.Serving;

/// <summary>Answers requests for text, at once or piece by piece.</summary>
internal static class Completions
{
    // What the protocol says where a request for plain text does not.
    private const int TextTokens = 16;

    /// <summary>POST /v1/chat/completions.</summary>
    public static async Task ChatAsync(HttpContext http, ServedModel model, string tenant)
    {
        WireRequest request = WireRequest.OfChat(await RequestBytes.ReadAsync(http, model.Options.MostRequestBytes).ConfigureAwait(false));
        await AnswerAsync(http, model, request, RequestOf(model, request, tenant), "messages", new ChatShape()).ConfigureAwait(false);
    }

    /// <summary>POST /v1/completions.</summary>
    public static async Task TextAsync(HttpContext http, ServedModel model, string tenant)
    {
        WireRequest request = WireRequest.OfText(await RequestBytes.ReadAsync(http, model.Options.MostRequestBytes).ConfigureAwait(false));
        await AnswerAsync(http, model, request, RequestOf(model, request, tenant), "prompt", new TextShape()).ConfigureAwait(false);
    }

    /// <summary>The same in the model's tokens.</summary>
    /// <exception cref="ApiError">The model does not know something that it names.</exception>
    internal static TextRequest RequestOf(ServedModel model, WireRequest request, string tenant)
    {
        Models.Require(model, request.Model);
        TextEngine engine = model.Engine;
        int vocabulary = engine.Tokenizer.Count;
        if (request.Sampling.LogitBias.Keys.Where(token => token >= vocabulary).Cast<int?>().FirstOrDefault() is { } biased)
            throw ApiError.Wrong("logit_bias", $"'logit_bias' names token {biased}; the model's are 0 to {vocabulary - 1}.", "invalid_value");
        if (request.Tokens?.Where(token => (uint)token >= (uint)vocabulary).Cast<int?>().FirstOrDefault() is { } unknown)
            throw ApiError.Wrong("prompt", $"'prompt' has the token {unknown}; the model's are 0 to {vocabulary - 1}.", "invalid_value");
        int[] tokens = request.Turns is { } turns ? Encode(engine, turns) : request.Tokens is { } given ? [.. given] : engine.Tokenizer.Encode(request.Text!);
        return new TextRequest
        {
            Tokens = tokens.Length > 0 ? tokens : throw ApiError.Wrong("prompt", "'prompt' is empty, and this model has no token for the beginning of a text.", "invalid_value"),
            Turns = request.Turns,
            Sampling = request.Sampling,
            MostTokens = request.MostTokens ?? (request.Turns is null ? TextTokens : model.Options.Model.MaxOutputTokens),
            Stops = request.Stops,
            Tenant = tenant,
        };
    }

    private static int[] Encode(TextEngine engine, IReadOnlyList<Kvant.Models.Generation.ChatMessage> turns)
    {
        if (!engine.HasTemplate)
            throw ApiError.Wrong("messages", "This model says of no known family how a conversation is written; ask /v1/completions.", "no_chat_template");
        try
        {
            return engine.Encode(turns);
        }
        catch (InvalidDataException e)
        {
            throw ApiError.Wrong("messages", $"The model's template refuses these messages: {e.Message}", "invalid_value");
        }
    }

    private static async Task AnswerAsync(HttpContext http, ServedModel model, WireRequest request, TextRequest text, string param, Shape shape)
    {
        Answer answer;
        try
        {
            answer = model.Engine.Submit(text, http.RequestAborted);
        }
        catch (PromptTooLongException e)
        {
            throw ApiError.Wrong(param, e.Message, "context_length_exceeded");
        }

        BodyWriter bodies = new(model.Options.Name, shape);
        if (request.Stream)
        {
            await EventStream.SendAsync(http, answer, bodies, request.IncludeUsage, model.Logger).ConfigureAwait(false);
            return;
        }

        AnswerEnd end = await answer.End.ConfigureAwait(false);
        await Json.SendAsync(http, json => bodies.Whole(json, end)).ConfigureAwait(false);
    }
}
