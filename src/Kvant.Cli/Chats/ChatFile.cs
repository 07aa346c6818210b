using System.Text.Json;
using System.Text.Json.Nodes;
using Kvant.Formats;
using Microsoft.Extensions.AI;

namespace Kvant.Cli.Chats;

/// <summary>A conversation as a file: JSON, <c>{"kvant.chat": 1, "messages": [{"role": ..., "content": ...}]}</c>. A file that is something else is never replaced.</summary>
internal static class ChatFile
{
    private const string Marker = "kvant.chat";
    private const int Version = 1;
    private const long MostBytes = 64 << 20;

    /// <summary>Writes a conversation; the file appears whole or not at all.</summary>
    /// <exception cref="IOException">The file cannot be written, or is something else.</exception>
    public static void Save(string path, IEnumerable<ChatMessage> messages)
    {
        if (File.Exists(path) && new FileInfo(path).Length > 0)
        {
            try
            {
                Load(path);
            }
            catch (InvalidDataException)
            {
                throw new IOException($"'{path}' is no conversation of kvant and is not replaced");
            }
        }

        JsonObject json = new()
        {
            [Marker] = Version,
            ["messages"] = new JsonArray([.. messages.Select(m => new JsonObject { ["role"] = m.Role.Value, ["content"] = m.Text })]),
        };
        using AtomicFile file = AtomicFile.Create(path);
        using (var writer = new Utf8JsonWriter(file.Stream, new JsonWriterOptions { Indented = true }))
            json.WriteTo(writer);
        file.Commit();
    }

    /// <summary>Reads one.</summary>
    /// <exception cref="InvalidDataException">The file is none.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IReadOnlyList<ChatMessage> Load(string path)
    {
        if (new FileInfo(path) is { Exists: true, Length: > MostBytes } large)
            throw new InvalidDataException($"{path}: {large.Length} bytes; a conversation has at most {MostBytes}");
        try
        {
            JsonObject json = JsonNode.Parse(File.ReadAllBytes(path))!.AsObject();
            if ((int?)json[Marker] != Version)
                throw new InvalidDataException($"{path}: no conversation of version {Version}");
            return [.. json["messages"]!.AsArray().Select((message, i) => MessageOf(path, i, message!))];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NullReferenceException or FormatException or ArgumentException)
        {
            throw new InvalidDataException($"{path}: no conversation of kvant", e);
        }
    }

    // One that no model would take is refused here, before it is part of a conversation.
    private static ChatMessage MessageOf(string path, int number, JsonNode message) => (string?)message["role"] is not ("system" or "user" or "assistant")
        ? throw new InvalidDataException($"{path}: message {number} has the role '{message["role"]}'; there are system, user and assistant")
        : new ChatMessage(new ChatRole((string)message["role"]!), (string?)message["content"] ?? throw new InvalidDataException($"{path}: message {number} has no text"));
}
