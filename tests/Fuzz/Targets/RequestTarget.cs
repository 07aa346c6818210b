using System.Text;
using Kvant.Serving;
using Kvant.Serving.Wire;

namespace Kvant.Fuzz.Targets;

/// <summary>Requests to a server: bodies of conversations and of plain texts, each read as both.</summary>
internal static class RequestTarget
{
    private const string Chat = """
        {"model":"m","messages":[{"role":"system","content":"a\ud83d\ude00"},{"role":"user","content":[{"type":"text","text":"b"}]},{"role":"assistant"}],"temperature":0.5,"top_p":1,"top_k":-1,"min_p":0.1,
        "max_completion_tokens":12,"stop":["a","b"],"seed":-7,"presence_penalty":-2,"frequency_penalty":2,"repetition_penalty":1.1,"logit_bias":{"5":-100},"stream":true,"stream_options":{"include_usage":true},"n":1,
        "logprobs":false,"tools":[],"tool_choice":"auto","response_format":{"type":"text"},"modalities":["text"],"user":"u"}
        """;

    private const string Text = """{"prompt":[[1,2,3]],"max_tokens":5,"stop":"x","best_of":1,"echo":false,"suffix":""}""";

    internal static FuzzTarget Target { get; } = new("request", static () => [Encoding.UTF8.GetBytes(Chat), Encoding.UTF8.GetBytes(Text)], Read, static e => e is ApiError);

    private static void Read(FuzzInput input)
    {
        ApiError? refusal = null;
        foreach (Func<ReadOnlyMemory<byte>, WireRequest> read in (Func<ReadOnlyMemory<byte>, WireRequest>[])[WireRequest.OfChat, WireRequest.OfText])
        {
            try
            {
                WireRequest request = read(input.Bytes);
                if (request.Turns is { Count: 0 } || request.MostTokens < 1 || request.Stops.Any(s => s.Length == 0))
                    throw new InvalidOperationException("what was accepted is not as it must be");
                return;
            }
            catch (ApiError e)
            {
                refusal = e;
                // What is said of it is JSON whatever it was.
                System.Text.Json.JsonDocument.Parse(e.Body()).Dispose();
            }
        }

        throw refusal!;
    }
}
