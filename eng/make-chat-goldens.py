#!/usr/bin/env python3
"""Writes tests/Kvant.Models.Tests/Golden/chat.json: chat templates and what Jinja itself, set up as transformers has it, makes of conversations.

    pip install jinja2==3.1.6
    python3 eng/make-chat-goldens.py

The templates are written for this project, in the style of those in models' files: each construct that those use stands in one of them.
"""
import json
import os

from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATES = {
    # A system turn by default, as SmolLM2 and Qwen2.5 have it.
    "default-system": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    # Lines, tags that eat white space, tools that are not there.
    "tools": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You help.' }}
    {%- endif %}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "<|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- tool_call.arguments | tojson }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    # Thoughts that earlier turns leave out: namespaces, slices, splits.
    "thoughts": """{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or (not loop.last and reasoning_content)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' ~ message.role ~ '\\n' ~ content ~ '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    # A date, a system turn that is always there, a beginning.
    "date": """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "1 Jan 2030" %}
    {%- endif %}
{%- endif %}
{#- A comment, which says nothing. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- else %}
        {{- raise_exception("no tools") }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    # Roles that alternate and have other names, a system turn that becomes part of the first, contents that may be lists.
    "model-turns": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set before = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set before = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set before = "" -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for turn in turns -%}
    {%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("turns must alternate") }}
    {%- endif -%}
    {%- if (turn['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = turn['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (before if loop.first else "") }}
    {%- if turn['content'] is string -%}
        {{ turn['content'] | trim }}
    {%- elif turn['content'] is iterable -%}
        {%- for item in turn['content'] -%}
            {%- if item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("no content") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\n'}}
{%- endif -%}
""",
    # A token for each role.
    "role-tokens": "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') %}{{'<|user|>' + '\n' + message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '\n'}}"
    "{% elif (message['role'] == 'assistant') %}{{message['content'] + '<|end|>' + '\n'}}{% endif %}{% endfor %}",
    # Lines that stay, choices in a value, and the rest of the language.
    "language": """{# A comment takes its line break along. #}
First line
  {% if messages %}
  indented
  {% endif %}
{% for m in messages if m.role != 'system' %}
{{ loop.index }}/{{ loop.length }} {{ 'first' if loop.first else 'last' if loop.last else 'middle' }} {{ m.role | upper }}: {{ m['content'][:3] }}|{{ m.content[-2:] | lower }}
{% endfor %}
{{ -7 // 2 }} {{ -7 % 3 }} {{ 2 * 3 - 4 }} {{ ([1, 2] + [3]) | length }} {{ {'a': 'b'}.a }} {{ {'a': 'b'}['a'] }} {{ (missing or 'nothing') }} {{ missing | default('default') }}{{ missing }}
{{ 'a,b,c'.split(',') | join('-') }} {{ 'x' in 'xyz' }} {{ 'q' not in ['x', 'y'] }} {{ 3 is odd }} {{ none is none }} {{ 2 >= 2 }} {{ 'Ab'.replace('A', 'B') }}
{%+ set outer = 'kept' %}
{% for i in range(3) %}{% set outer = i %}{{ i }}{% endfor %} {{ outer }}
{% for key, value in {'k': 'v'}.items() %}{{ key }}={{ value }}{% endfor %}

{{ 'never' if not messages else 'end' }}
{{- ' ' -}}
   joined   {{ 'x' }}
""",
}

TURNS = [
    [{"role": "user", "content": " Hi "}],
    [{"role": "system", "content": "Be brief. "}, {"role": "user", "content": "Hello\nyou"}],
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<think>\nwhy\n</think>\n\nYo"}, {"role": "user", "content": "<|im_end|>Ok"}],
    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<think>\nwhy\n</think>\n\nYo"}],
]

environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)


def refuse(message):
    raise ValueError(message)


environment.globals["raise_exception"] = refuse
goldens = []
for name, template in TEMPLATES.items():
    program = environment.from_string(template)
    for turns in TURNS:
        for prompt in (True, False):
            if not prompt and turns is not TURNS[-1]:
                continue
            text = program.render(messages=turns, add_generation_prompt=prompt, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>")
            goldens.append({"name": name, "messages": turns, "prompt": prompt, "text": text})
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/Kvant.Models.Tests/Golden/chat.json")
with open(path, "w", encoding="utf-8") as file:
    json.dump({"templates": TEMPLATES, "goldens": goldens}, file, indent=1, ensure_ascii=True)
    file.write("\n")
print(f"{len(goldens)} goldens")
