using System.Text;
using Kvant.Models.Generation;
using Kvant.Models.Gguf;
using Kvant.Models.Tokenizers;

namespace Kvant.Fuzz.Targets;

/// <summary>Chat templates, which are programs: mutants of one are read and run.</summary>
internal static class TemplateTarget
{
    private const string Key = "tokenizer.chat_template";

    private const string Short = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}";

    private const string Long = """
        {%- set ns = namespace(n=0, last=messages[-1]['content']|trim) -%}
        {%- if messages[0].role == 'system' and not (1 > 2) %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif -%}
        {%- for m in rest %}{% set ns.n = ns.n + loop.index0 %}<|im_start|>{{ m.role | upper }}{% if m.role in ['user', "assistant"] or loop.first -%}
        {{ m.content.split('</think>')[-1].lstrip('\n') ~ (ns.n % 3) }}{% elif m is defined %}{{ raise_exception('no') }}{% endif %}<|im_end|>{{ '\n' if not loop.last else '' }}{% endfor %}
        {%- if add_generation_prompt %}<|im_start|>assistant
        {% endif %}
        """;

    // A file up to the length of its program, which is its last value.
    private static readonly Lazy<byte[]> s_before = new(Before);

    internal static FuzzTarget Target { get; } = new("template", Corpus, Read, static e => e is InvalidDataException)
    {
        // A program may write 16 Mi characters, in steps.
        AllocatedAtMost = 256 << 20,
    };

    // The program alone is mutated; the vocabulary around it stays whole.
    private static byte[][] Corpus() => [Encoding.UTF8.GetBytes(Short), Encoding.UTF8.GetBytes(Long)];

    private static byte[] Before()
    {
        byte[] file = GgufSample.Build(writer =>
        {
            GgufSample.AddBytePairs(writer);
            writer.Add(Key, "");
        });
        return file[..(file.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Key)) + Key.Length + sizeof(uint))];
    }

    private static void Read(FuzzInput input)
    {
        string path = input.Make([.. s_before.Value, .. BitConverter.GetBytes((long)input.Bytes.Length), .. input.Bytes]);
        using GgufFile file = GgufFile.Open(path);
        ChatTemplate? template = ChatTemplate.Find(file);
        template?.Encode(Tokenizer.Read(file), [new("user", "ab {{ 1 }}"), new("assistant", "<think>\n</think>\nba"), new("user", "<|im_end|>a")]);
    }
}
