// @ts-check
// Embeddings by the AI SDK and OpenAI's client, and the logprobs that the latter shows.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany } from "ai";
import OpenAI from "openai";
import { baseURL, model, QUESTION, shows } from "./server.js";

const texts = ["The cat sleeps on the sofa.", "Interest rates rose in March."];

for (const { client, embedding } of [
  {
    client: "@ai-sdk/openai-compatible",
    embedding: createOpenAICompatible({ name: "nibble", baseURL }).embeddingModel(model),
  },
  { client: "@ai-sdk/openai", embedding: createOpenAI({ baseURL, apiKey: "unused" }).embedding(model) },
]) {
  shows(client, ["embeddings"], "texts are embedded", async () => {
    const { embeddings } = await embedMany({ model: embedding, values: texts, maxRetries: 0 });
    assert.equal(embeddings.length, 2);
    assert.ok((embeddings[0]?.length ?? 0) > 100);
  });
}

shows("openai (npm)", ["embeddings", "logprobs"], "texts are embedded, and tokens have logprobs", async () => {
  const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
  const { data } = await client.embeddings.create({ model, input: texts });
  assert.equal(data.length, 2);
  const reply = await client.chat.completions.create({
    model,
    messages: [{ role: "user", content: QUESTION }],
    max_tokens: 5,
    logprobs: true,
  });
  assert.equal(reply.choices[0]?.logprobs?.content?.length, 5);
});
