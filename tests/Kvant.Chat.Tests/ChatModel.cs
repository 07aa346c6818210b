using Kvant.Models.Gguf;

namespace Kvant.Chat.Tests;

/// <summary>The model that ships, with two control tokens in the place of two rare ones and a template: it knows no conversation, and writes as well as before.</summary>
internal static class ChatModel
{
    public const string Template = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    private const int Control = 3;

    /// <summary>The number of the token that ends a turn.</summary>
    public static int End { get; private set; }

    /// <summary>Writes it.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="template">The chat template; null for none.</param>
    public static void Write(string path, string? template = Template)
    {
        using GgufFile shipped = GgufFile.Open(((string[])["models", "data"]).Select(folder => Path.Combine(AppContext.BaseDirectory, folder, "mini.gguf")).First(File.Exists));
        var writer = new GgufWriter();
        foreach ((string key, GgufValue value) in shipped.Metadata)
        {
            switch (key)
            {
                case "tokenizer.ggml.tokens":
                    string[] texts = value.AsTexts();
                    End = texts.Length - 1;
                    (texts[^2], texts[^1]) = ("<|im_start|>", "<|im_end|>");
                    writer.Add(key, texts);
                    break;
                case "tokenizer.ggml.token_type":
                    int[] types = value.AsIntegers();
                    types[^1] = types[^2] = Control;
                    writer.Add(key, types);
                    break;
                case "llama.context_length":
                    writer.Add(key, 8192u);
                    break;
                default:
                    Copy(writer, key, value);
                    break;
            }
        }

        if (template is not null)
            writer.Add("tokenizer.chat_template", template);
        foreach (GgufTensor tensor in shipped.Tensors)
            writer.AddTensor(tensor.Name, tensor.Format, shipped.Bytes(tensor, 0, (int)tensor.ByteLength), [.. tensor.Shape]);
        writer.Save(path);
    }

    private static void Copy(GgufWriter writer, string key, GgufValue value)
    {
        switch (value.Type, value.IsArray)
        {
            case (GgufValueType.Text, false): writer.Add(key, value.AsText()); break;
            case (GgufValueType.Text, true): writer.Add(key, value.AsTexts()); break;
            case (GgufValueType.Boolean, false): writer.Add(key, value.AsBoolean()); break;
            case (GgufValueType.Float32, false): writer.Add(key, value.AsNumber()); break;
            case (GgufValueType.Float32, true): writer.Add(key, value.AsSingles()); break;
            case (_, true): writer.Add(key, value.AsIntegers()); break;
            default: writer.Add(key, (uint)value.AsCount()); break;
        }
    }
}
