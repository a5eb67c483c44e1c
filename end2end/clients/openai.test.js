// @ts-check
// OpenAI's own client for JavaScript.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { baseURL, caller, model, QUESTION, shows, TOO_LONG } from "./server.js";

const CLIENT = "openai (npm)";
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
/** @type {OpenAI.ChatCompletionMessageParam[]} */
const messages = [{ role: "user", content: QUESTION }];
const fields = { model, messages, temperature: 0, max_tokens: 40 };

shows(CLIENT, ["chat", "stream", "usage", "stop"], "an answer is the same whole and streamed", async () => {
  const whole = await client.chat.completions.create(fields);
  const text = whole.choices[0]?.message.content ?? "";
  assert.match(text, /4/);
  const stream = client.chat.completions.stream({ ...fields, stream_options: { include_usage: true } });
  const streamed = await stream.finalChatCompletion();
  assert.equal(streamed.choices[0]?.message.content, text);
  assert.deepEqual(streamed.usage?.completion_tokens, whole.usage?.completion_tokens);
  const stopped = await client.chat.completions.create({ ...fields, stop: ["4"] });
  assert.doesNotMatch(stopped.choices[0]?.message.content ?? "", /4/);
});

shows(CLIENT, ["responses", "completions"], "responses and text are served", async () => {
  const reply = await client.responses.create({ model, input: QUESTION, temperature: 0 });
  assert.match(reply.output_text, /4/);
  const text = await client.completions.create({ model, prompt: "One, two, three,", temperature: 0, max_tokens: 3 });
  assert.match(text.choices[0]?.text ?? "", /four/);
});

shows(CLIENT, ["errors"], "errors are told apart", async () => {
  const unknown = client.chat.completions.create({ ...fields, model: "gpt-4o" });
  await assert.rejects(unknown, (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
  const long = client.chat.completions.create({ ...fields, messages: [{ role: "user", content: TOO_LONG }] });
  await assert.rejects(
    long,
    (error) => error instanceof OpenAI.BadRequestError && error.code === "context_length_exceeded",
  );
});

shows(CLIENT, ["tools"], "tools are called", async () => {
  const calling = new OpenAI({ baseURL: caller.baseURL, apiKey: "unused", maxRetries: 0 });
  const parameters = { type: "object", properties: { where: { type: "string" } } };
  const reply = await calling.chat.completions.create({
    model: caller.model,
    messages,
    tools: [
      { type: "function", function: { name: "weather", parameters } },
      { type: "function", function: { name: "now" } },
    ],
  });
  const calls = reply.choices[0]?.message.tool_calls ?? [];
  assert.deepEqual(calls.map((call) => call.type === "function" && call.function.name), ["weather", "now"]);
});
