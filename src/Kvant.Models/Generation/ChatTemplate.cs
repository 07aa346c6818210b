using Kvant.Models.Generation.Templates;
using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;

namespace Kvant.Models.Generation;

/// <summary>
/// How a model wants a conversation written: the program in its file, or that of a family. Control tokens come from the template alone: what people say
/// cannot forge them.
/// </summary>
/// <remarks>A program may use the part of Jinja that such programs do; what is not understood is refused, never guessed. There is no clock: templates that
/// ask for the date, if there is one, write the date that they have for that case.</remarks>
public sealed class ChatTemplate
{
    private const string Key = "tokenizer.chat_template";

    private readonly TemplateProgram _program;

    // By these a program is recognized: the first in its text; and all of them must be in the vocabulary.
    private readonly string[] _controls;

    private ChatTemplate(string name, string program, params string[] controls)
    {
        Name = name;
        _program = TemplateProgram.Parse(program);
        _controls = controls;
    }

    /// <summary>Llama 3: roles between header tokens, an empty line, the trimmed content.</summary>
    public static ChatTemplate Llama3 { get; } = new("llama3",
        "{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>");

    /// <summary>ChatML, of Qwen and many others: role, line break and content between two tokens.</summary>
    public static ChatTemplate ChatMl { get; } = new("chatml",
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "<|im_start|>", "<|im_end|>");

    /// <summary>Gemma: role, line break and trimmed content between two tokens; the assistant is called model, and what the system says stands before the first turn's content.</summary>
    public static ChatTemplate Gemma { get; } = new("gemma",
        "{% set system = messages[0].content | trim + '\n\n' if messages and messages[0].role == 'system' else '' %}{% for m in messages if m.role != 'system' %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + (system if loop.first else '') + m.content | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        "<start_of_turn>", "<end_of_turn>");

    /// <summary>Phi-3: a token for each role, a line break, the content and a token for its end.</summary>
    public static ChatTemplate Phi3 { get; } = new("phi3",
        "{% for m in messages %}{{ ('<|user|>' if m.role == 'user' else '<|assistant|>' if m.role == 'assistant' else '<|system|>') + '\n' + m.content + '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        "<|end|>", "<|user|>", "<|assistant|>");

    /// <summary>The families that are known.</summary>
    public static IReadOnlyList<ChatTemplate> Known { get; } = [Llama3, ChatMl, Gemma, Phi3];

    /// <summary>The family's name.</summary>
    public string Name { get; }

    /// <summary>The model's own template; null if the file has none, or one of a family that is not known.</summary>
    /// <exception cref="InvalidDataException">The file's template is no text, or has something that is not understood.</exception>
    public static ChatTemplate? Find(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (!file.TryGetValue(Key, out GgufValue? value)) return null;
        string program = value.AsText();
        if (Known.FirstOrDefault(t => program.Contains(t._controls[0], StringComparison.Ordinal)) is not { } family) return null;
        try
        {
            return new ChatTemplate(family.Name, program, family._controls);
        }
        catch (TemplateException e)
        {
            throw value.Invalid(e.Message);
        }
    }

    /// <summary>Writes a conversation in tokens.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="messages">The turns so far.</param>
    /// <param name="addPrompt">Whether to open the assistant's next turn behind them.</param>
    /// <exception cref="ArgumentException">The tokenizer lacks a control token of this family.</exception>
    /// <exception cref="InvalidDataException">The template reaches something that is not understood, or refuses these turns.</exception>
    public int[] Encode(Tokenizer tokenizer, IReadOnlyList<ChatMessage> messages, bool addPrompt = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(messages);
        int[] tokens = Cut(tokenizer, Write(tokenizer, messages, addPrompt), 0);
        return tokenizer.AddsBegin && (tokens.Length == 0 || tokens[0] != tokenizer.Begin) ? [tokenizer.Begin!.Value, .. tokens] : tokens;
    }

    /// <summary>
    /// Writes only what comes behind an earlier conversation that a cache holds to the end of the assistant's turn, the token that ended it included.
    /// What the cache held, and these tokens, are the tokens of the whole conversation.
    /// </summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="held">The turns that the cache holds; the last is the assistant's, as the model said it.</param>
    /// <param name="next">The turns to come.</param>
    /// <param name="addPrompt">Whether to open the assistant's next turn behind them.</param>
    /// <exception cref="ArgumentException">The last turn that is held is not the assistant's, or the tokenizer lacks a control token of this family.</exception>
    /// <exception cref="InvalidDataException">The template writes earlier turns in another way when more follow (as some leave out what the model thought): then
    /// only the whole conversation is right. Or it reaches something that is not understood, or refuses these turns.</exception>
    public int[] EncodeNext(Tokenizer tokenizer, IReadOnlyList<ChatMessage> held, IReadOnlyList<ChatMessage> next, bool addPrompt = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(held);
        ArgumentNullException.ThrowIfNull(next);
        if (held is not [.., { Role: "assistant" }]) throw new ArgumentException("the last turn that is held must be the assistant's", nameof(held));
        MarkedText prompt = Write(tokenizer, [.. held.SkipLast(1)], addPrompt: true), before = Write(tokenizer, held, addPrompt: false), whole = Write(tokenizer, [.. held, .. next], addPrompt);
        (int end, int token) = LastEnd(tokenizer, before);
        if (end < prompt.Length || !before.Text.StartsWith(prompt.Text, StringComparison.Ordinal) || !whole.Text.StartsWith(before.Text[..end], StringComparison.Ordinal))
            throw new InvalidDataException($"the chat template ({Name}) writes earlier turns in another way when more follow; encode the whole conversation");
        return Cut(tokenizer, whole, end + tokenizer.SpaceBehind(token, whole.Text.AsSpan(end)));
    }

    private MarkedText Write(Tokenizer tokenizer, IReadOnlyList<ChatMessage> messages, bool addPrompt)
    {
        foreach (string control in _controls)
        {
            if (tokenizer.Find(control) is null) throw new ArgumentException($"the vocabulary has no token {control}, which the template {Name} needs", nameof(tokenizer));
        }
        List<object?> turns = [.. messages.Select(static m => new Dictionary<string, object?> { ["role"] = MarkedText.Said(m.Role), ["content"] = MarkedText.Said(m.Content) })];
        try
        {
            return _program.Run(
            [
                ("messages", turns), ("add_generation_prompt", addPrompt), ("bos_token", Token(tokenizer.Begin)), ("eos_token", Token(tokenizer.End)),
            ]);
        }
        catch (TemplateException e)
        {
            throw new InvalidDataException($"the chat template ({Name}) {e.Message}", e);
        }

        MarkedText Token(int? token) => token is { } t ? MarkedText.Written(tokenizer.TextOf(t)) : MarkedText.Empty;
    }

    // Text is cut into tokens from one control token to the next, as a whole.
    private static int[] Cut(Tokenizer tokenizer, MarkedText text, int from)
    {
        List<int> tokens = [];
        foreach ((int start, int length, int token) in Controls(tokenizer, text, from))
        {
            tokens.AddRange(tokenizer.Encode(text.Text[Math.Min(from, start)..start], addBegin: false));
            tokens.Add(token);
            from = start + length;
            from += tokenizer.SpaceBehind(token, text.Text.AsSpan(from));
        }
        return [.. tokens, .. tokenizer.Encode(text.Text[from..], addBegin: false)];
    }

    private static (int End, int Token) LastEnd(Tokenizer tokenizer, MarkedText text) =>
        Controls(tokenizer, text, 0).Where(c => tokenizer.IsEnd(c.Token)).Select(static c => (c.Start + c.Length, c.Token)).LastOrDefault((-1, -1));

    // Only what the template wrote is looked at.
    private static IEnumerable<(int Start, int Length, int Token)> Controls(Tokenizer tokenizer, MarkedText text, int from)
    {
        for (int at = from, end; at < text.Length; at = end)
        {
            end = text.RunEnd(at);
            if (!text.IsWritten(at)) continue;
            while (tokenizer.TryFindSpecial(text.Text.AsSpan(at, end - at), out int start, out int length, out int token))
            {
                yield return (at + start, length, token);
                at += start + length;
            }
        }
    }
}
