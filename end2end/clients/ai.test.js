// @ts-check
// The AI SDK, by its provider for whoever speaks OpenAI's form and by the one for OpenAI, whose default are responses.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { baseURL, caller, model, QUESTION, shows, TOO_LONG } from "./server.js";

/** @param {{ baseURL: string }} at */
const compatible = ({ baseURL }) => createOpenAICompatible({ name: "nibble", baseURL, includeUsage: true });
/** @param {{ baseURL: string }} at */
const openai = ({ baseURL }) => createOpenAI({ baseURL, apiKey: "unused" });

const settings = { temperature: 0, maxOutputTokens: 40, maxRetries: 0 };
const tools = {
  weather: tool({ inputSchema: jsonSchema({ type: "object", properties: { where: { type: "string" } } }) }),
  now: tool({ inputSchema: jsonSchema({ type: "object", properties: {} }) }),
};

for (const { client, provider, features } of [
  { client: "@ai-sdk/openai-compatible", provider: compatible, features: ["chat"] },
  { client: "@ai-sdk/openai", provider: openai, features: ["responses"] },
]) {
  const asked = { ...settings, model: provider({ baseURL })(model) };

  shows(client, [...features, "stream", "usage"], "an answer is the same whole and streamed", async () => {
    const whole = await generateText({ ...asked, prompt: QUESTION });
    assert.match(whole.text, /4/);
    const streamed = streamText({ ...asked, prompt: QUESTION });
    assert.equal(await streamed.text, whole.text);
    const usage = await streamed.usage;
    assert.ok(usage.outputTokens);
    assert.equal(usage.outputTokens, whole.usage.outputTokens);
  });

  shows(client, ["errors"], "errors are told apart", async () => {
    const unknown = generateText({ ...asked, model: provider({ baseURL })("gpt-4o"), prompt: QUESTION });
    await assert.rejects(unknown, (error) => APICallError.isInstance(error) && error.statusCode === 404);
    const long = generateText({ ...asked, prompt: TOO_LONG });
    await assert.rejects(
      long,
      (error) => APICallError.isInstance(error) && /context_length_exceeded/.test(error.responseBody ?? ""),
    );
  });

  shows(client, ["tools"], "tools are called", async () => {
    const calling = provider(caller)(caller.model);
    const reply = await generateText({ model: calling, maxRetries: 0, prompt: QUESTION, tools });
    assert.deepEqual(reply.toolCalls.map((call) => call.toolName), ["weather", "now"]);
  });

  // What was said before comes with the question, by default as references to it where the form has some.
  for (const options of [{}, { store: false }]) {
    shows(client, ["tools"], `what tools give back is read, ${JSON.stringify(options)}`, async () => {
      const execute = async () => "Rain";
      const weather = { ...tools.weather, execute };
      const reply = await generateText({
        model: provider(caller)(caller.model),
        maxRetries: 0,
        maxOutputTokens: 100,
        prompt: QUESTION,
        tools: { weather, now: { ...tools.now, execute } },
        stopWhen: stepCountIs(2),
        providerOptions: { openai: options },
      });
      assert.equal(reply.steps.length, 2);
      assert.equal(reply.steps[0].toolResults.length, 2);
    });
  }
}

for (const { client, chat } of [
  { client: "@ai-sdk/openai-compatible", chat: compatible({ baseURL })(model) },
  { client: "@ai-sdk/openai", chat: openai({ baseURL }).chat(model) },
]) {
  shows(client, ["chat", "stop"], "stop texts end a chat's answer", async () => {
    const stopped = await generateText({ ...settings, model: chat, prompt: QUESTION, stopSequences: ["4"] });
    assert.equal(stopped.finishReason, "stop");
    assert.doesNotMatch(stopped.text, /4/);
  });
}
