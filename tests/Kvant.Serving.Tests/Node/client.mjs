// What the npm package openai makes of a server: node client.mjs URL KEY. It prints one object.
import OpenAI from "openai";

const [url, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const model = "model";
const messages = [{ role: "system", content: "In the beginning" }, { role: "user", content: "And the earth was without form, and void" }];
const result = { models: (await client.models.list()).data.map((m) => m.id) };

const ask = { model, messages, max_completion_tokens: 20, temperature: 0 };
const whole = await client.chat.completions.create(ask);
result.chat = { text: whole.choices[0].message.content, finish: whole.choices[0].finish_reason, usage: whole.usage, object: whole.object };

const stream = await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } });
result.stream = { text: "", pieces: 0 };
for await (const part of stream) {
  if (part.choices.length > 0) {
    result.stream.text += part.choices[0].delta.content ?? "";
    result.stream.pieces++;
    result.stream.finish = part.choices[0].finish_reason ?? result.stream.finish;
  }
  result.stream.usage = part.usage ?? result.stream.usage;
}

const completion = await client.completions.create({ model, prompt: "In the beginning", max_tokens: 10, temperature: 0 });
result.completion = completion.choices[0].text;
result.completionStream = "";
for await (const part of await client.completions.create({ model, prompt: "In the beginning", max_tokens: 10, temperature: 0, stream: true })) result.completionStream += part.choices[0].text;

const endless = await client.chat.completions.create({ ...ask, max_completion_tokens: 8000, logit_bias: Object.fromEntries(process.argv.slice(4).map((t) => [t, -100])), stream: true });
let seen = 0;
for await (const part of endless) {
  if (++seen === 5) endless.controller.abort();
}
result.aborted = seen;

result.errors = {};
const errors = {
  model: () => client.chat.completions.create({ ...ask, model: "another" }),
  temperature: () => client.chat.completions.create({ ...ask, temperature: 3 }),
  n: () => client.chat.completions.create({ ...ask, n: 2 }),
  key: () => new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 }).models.list(),
};
for (const [name, call] of Object.entries(errors)) {
  try {
    await call();
  } catch (e) {
    result.errors[name] = { kind: e.constructor.name, status: e.status, param: e.param, code: e.code };
  }
}
console.log(JSON.stringify(result));
