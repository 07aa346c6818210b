using System.Text.Json;
using Kvant.Models.Generation.Templates;

namespace Kvant.Models.Tests.Generation;

/// <summary>The texts that Jinja makes of the same templates (eng/make-chat-goldens.py), and refusals by name of what is not understood.</summary>
public sealed class TemplateProgramTests
{
    [Fact]
    public void TextsAreThoseOfJinja()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Goldens.Path("chat.json")));
        int count = 0;
        foreach (JsonElement golden in document.RootElement.GetProperty("goldens").EnumerateArray())
        {
            string name = golden.GetProperty("name").GetString()!, template = document.RootElement.GetProperty("templates").GetProperty(name).GetString()!;
            (string, string)[] turns = [.. golden.GetProperty("messages").EnumerateArray().Select(m => (m.GetProperty("role").GetString()!, m.GetProperty("content").GetString()!))];
            MarkedText text = Run(template, golden.GetProperty("prompt").GetBoolean(), turns);
            Assert.Equal((name, golden.GetProperty("text").GetString()), (name, text.Text));
            count++;
        }
        Assert.Equal(35, count);
    }

    [Fact]
    public void WhatIsNotUnderstoodIsRefusedByName()
    {
        Refused("the tag 'macro'", "{% macro m() %}{% endmacro %}");
        Refused("the tag 'include'", "{% include 'x' %}");
        Refused("the filter 'tojson'", "{{ messages | tojson }}");
        Refused("the test 'callable'", "{{ messages is callable }}");
        Refused("calls 'strftime_now'", "{{ strftime_now('%Y') }}");
        Refused("calls 'format' of a text", "{{ 'x'.format(1) }}");
        Refused("a part of something undefined", "{{ missing.part }}");
        Refused("writes a list", "{{ messages }}");
        Refused("refuses the conversation: no tools", "{{ raise_exception('no tools') }}");
        Refused("a tag without an end", "{{ 'x'");
        Refused("a string without an end", "{{ 'x");
        Refused("a comment without an end", "{# x");
        Refused("has 'the end' where endif is wanted", "{% if true %}");
        Refused("has 'x' where }} is wanted", "{{ true x }}");
        Refused("the tag 'endfor'", "{% endfor %}");
    }

    // A hostile template may not cost more than a bounded number of steps and characters, nor more stack than there is.
    [Fact]
    public void CostIsBounded()
    {
        Refused("takes more than", "{% for i in range(100000000) %}{% endfor %}");
        Refused("takes more than", "{% for i in range(2000) %}{% for j in range(2000) %}x{% endfor %}{% endfor %}");
        Refused("takes more than", "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}");
        Refused("takes more than", "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}");
        Refused("nested more than", "{{ " + new string('(', 100_000) + "x" + new string(')', 100_000) + " }}");
        Refused("nested more than", "{{ " + new string('[', 100_000) + new string(']', 100_000) + " }}");
        Refused("nested more than", "{{ " + string.Concat(Enumerable.Repeat("not ", 100_000)) + "x }}");
        Refused("nested more than", "{{ " + new string('-', 100_000) + "1 }}");
        Refused("nested more than", string.Concat(Enumerable.Repeat("{% if x %}", 100_000)));
        Refused("too large", "{{ 9223372036854775807 + 1 }}");
    }

    [Fact]
    public void BrokenTemplatesRunOrAreRefused()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Goldens.Path("chat.json")));
        Random random = new(20260502);
        foreach (JsonProperty template in document.RootElement.GetProperty("templates").EnumerateObject())
        {
            for (int round = 0; round < 400; round++)
            {
                List<char> text = [.. template.Value.GetString()!];
                for (int change = random.Next(1, 4); change > 0; change--)
                {
                    int at = random.Next(text.Count), count = Math.Min(random.Next(1, 12), text.Count - at);
                    if (random.Next(3) == 0) text.RemoveRange(at, count);
                    else if (random.Next(2) == 0) text.InsertRange(random.Next(text.Count), text.GetRange(at, count));
                    else text[at] = "{}%-'|.()[]:= 1x"[random.Next(16)];
                }
                try
                {
                    Run(string.Concat(text), true, ("system", "s"), ("user", "u"), ("assistant", "<think>\na</think>b"));
                }
                catch (TemplateException)
                {
                    // What the contract promises.
                }
            }
        }
    }

    private static void Refused(string says, string template) =>
        Assert.Contains(says, Assert.Throws<TemplateException>(() => Run(template, true, ("user", "x"))).Message, StringComparison.Ordinal);

    private static MarkedText Run(string template, bool prompt, params (string Role, string Content)[] turns) => TemplateProgram.Parse(template).Run(
    [
        ("messages", turns.Select(t => (object?)new Dictionary<string, object?> { ["role"] = MarkedText.Said(t.Role), ["content"] = MarkedText.Said(t.Content) }).ToList()),
        ("add_generation_prompt", prompt), ("bos_token", MarkedText.Written("<|begin_of_text|>")), ("eos_token", MarkedText.Written("<|end_of_text|>")),
    ]);
}
