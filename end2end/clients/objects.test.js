// @ts-check
// Structured output by the AI SDK and OpenAI's client.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, Output } from "ai";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { baseURL, model, shows } from "./server.js";

const schema = z.object({ name: z.string().max(20), population: z.number().int().min(0).max(99_999_999) });
const asked = { prompt: "Tell me of a city.", maxOutputTokens: 200, maxRetries: 0 };

for (const { client, chat } of [
  {
    client: "@ai-sdk/openai-compatible",
    chat: createOpenAICompatible({ name: "nibble", baseURL, supportsStructuredOutputs: true })(model),
  },
  { client: "@ai-sdk/openai", chat: createOpenAI({ baseURL, apiKey: "unused" })(model) },
]) {
  shows(client, ["structured output"], "an object is what was asked for", async () => {
    const { object } = await generateObject({ ...asked, model: chat, schema });
    assert.ok(schema.safeParse(object).success);
    const reply = await generateText({ ...asked, model: chat, output: Output.object({ schema }) });
    assert.ok(schema.safeParse(reply.output).success);
  });
}

shows("openai (npm)", ["structured output"], "an object is what was asked for", async () => {
  const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
  const reply = await client.chat.completions.parse({
    model,
    messages: [{ role: "user", content: asked.prompt }],
    max_completion_tokens: asked.maxOutputTokens,
    response_format: zodResponseFormat(schema, "city"),
  });
  assert.ok(schema.safeParse(reply.choices[0]?.message.parsed).success);
});
