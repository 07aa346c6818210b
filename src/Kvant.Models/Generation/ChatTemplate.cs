using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;

namespace Kvant.Models.Generation;

/// <summary>
/// How a family of models wants a conversation written. Control tokens come from the template alone: what people say cannot forge them.
/// </summary>
public sealed class ChatTemplate
{
    private readonly string _beforeRole;
    private readonly string? _afterRole;
    private readonly string _beforeContent;
    private readonly string _afterContent;
    private readonly string _between;
    private readonly bool _trims;

    private ChatTemplate(string name, string beforeRole, string? afterRole, string beforeContent, string afterContent, string between, bool trims)
    {
        Name = name;
        _beforeRole = beforeRole;
        _afterRole = afterRole;
        _beforeContent = beforeContent;
        _afterContent = afterContent;
        _between = between;
        _trims = trims;
    }

    /// <summary>Llama 3: roles between header tokens, an empty line, the trimmed content.</summary>
    public static ChatTemplate Llama3 { get; } = new("llama3", "<|start_header_id|>", "<|end_header_id|>", "\n\n", "<|eot_id|>", "", trims: true);

    /// <summary>ChatML, of Qwen and many others: role, line break and content between two tokens.</summary>
    public static ChatTemplate ChatMl { get; } = new("chatml", "<|im_start|>", null, "\n", "<|im_end|>", "\n", trims: false);

    /// <summary>All templates.</summary>
    public static IReadOnlyList<ChatTemplate> Known { get; } = [Llama3, ChatMl];

    /// <summary>The template's name.</summary>
    public string Name { get; }

    /// <summary>The template that the model's own one, a program in the file, amounts to; null if it is none that is known.</summary>
    /// <exception cref="InvalidDataException">The file's template is no text.</exception>
    public static ChatTemplate? Find(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (!file.TryGetValue("tokenizer.chat_template", out GgufValue? value)) return null;
        string program = value.AsText();
        return Known.FirstOrDefault(t => program.Contains(t._beforeRole, StringComparison.Ordinal));
    }

    /// <summary>Writes a conversation in tokens.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="messages">The turns so far.</param>
    /// <param name="addPrompt">Whether to open the assistant's next turn behind them.</param>
    /// <exception cref="ArgumentException">The tokenizer lacks a control token of this template.</exception>
    public int[] Encode(Tokenizer tokenizer, IReadOnlyList<ChatMessage> messages, bool addPrompt = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(messages);
        List<int> tokens = [];
        if (tokenizer.AddsBegin) tokens.Add(tokenizer.Begin!.Value);
        string pending = "";
        foreach (ChatMessage message in messages)
        {
            Open(message.Role);
            pending += _trims ? message.Content.Trim() : message.Content;
            Control(_afterContent);
            pending = _between;
        }
        if (addPrompt) Open("assistant");
        Flush();
        return [.. tokens];

        void Open(string role)
        {
            Control(_beforeRole);
            pending = role;
            if (_afterRole is not null) Control(_afterRole);
            pending += _beforeContent;
        }

        // Text is cut into tokens from one control token to the next, as a whole.
        void Flush()
        {
            tokens.AddRange(tokenizer.Encode(pending, addBegin: false));
            pending = "";
        }

        void Control(string name)
        {
            Flush();
            tokens.Add(tokenizer.Find(name) ?? throw new ArgumentException($"the vocabulary has no token {name}, which the template {Name} needs", nameof(tokenizer)));
        }
    }
}
