// What somebody writes with OpenAI's client for Node (.sdk/node).
"use strict";

const readline = require("node:readline");
const { OpenAI } = require("openai");
const { zodResponseFormat } = require("openai/helpers/zod");
const { z } = require("zod");

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
    },
  },
};
const City = z.object({ name: z.string(), population: z.int() });

const clientOf = (order) => new OpenAI({ baseURL: order.base_url, apiKey: order.api_key });
const asked = (order) => ({
  model: order.model,
  messages: [{ role: "user", content: order.question }],
});

async function chat(order, saw) {
  const answer = await clientOf(order).chat.completions.create(asked(order));
  saw.text = answer.choices[0].message.content;
  saw.finish = answer.choices[0].finish_reason;
}

async function stream(order, saw) {
  const more = order.usage ? { stream_options: { include_usage: true } } : {};
  Object.assign(saw, { text: "", finish: null, tokens: null });
  const completions = clientOf(order).chat.completions;
  for await (const chunk of await completions.create({ ...asked(order), stream: true, ...more })) {
    if (chunk.usage) {
      saw.tokens = chunk.usage.total_tokens;
      continue;
    }
    saw.text += chunk.choices[0].delta.content ?? "";
    saw.finish = chunk.choices[0].finish_reason;
  }
}

async function tools(order, saw) {
  const { completions } = clientOf(order).chat;
  await useTools(order, saw, (question) => completions.create(question));
}

async function toolsStreamed(order, saw) {
  const { completions } = clientOf(order).chat;
  await useTools(order, saw, (question) => completions.stream(question).finalChatCompletion());
}

async function useTools(order, saw, answer) {
  const { model, messages } = asked(order);
  const first = (await answer({ model, messages, tools: [WEATHER] })).choices[0];
  const call = first.message.tool_calls[0];
  saw.finish = first.finish_reason;
  saw.id = call.id;
  saw.name = call.function.name;
  saw.arguments = JSON.parse(call.function.arguments);
  const result = { role: "tool", tool_call_id: call.id, content: "Mild, 18 degrees." };
  const told = [...messages, first.message, result];
  const second = await answer({ model, messages: told, tools: [WEATHER] });
  saw.text = second.choices[0].message.content;
}

async function schema(order, saw) {
  const format = { response_format: zodResponseFormat(City, "city") };
  const answer = await clientOf(order).chat.completions.parse({ ...asked(order), ...format });
  saw.city = City.parse(answer.choices[0].message.parsed);
}

async function embeddings(order, saw) {
  const question = { model: order.model, input: order.texts };
  const client = clientOf(order);
  const vectors = async (more) =>
    (await client.embeddings.create({ ...question, ...more })).data.map((one) => one.embedding);
  saw.vectors = await vectors({});
  saw.floats = await vectors({ encoding_format: "float" });
}

async function completion(order, saw) {
  const question = { model: order.model, prompt: order.question };
  const answer = await clientOf(order).completions.create(question);
  saw.text = answer.choices[0].text;
  saw.finish = answer.choices[0].finish_reason;
}

async function completionStreamed(order, saw) {
  const question = { model: order.model, prompt: order.question, stream: true };
  saw.text = "";
  for await (const chunk of await clientOf(order).completions.create(question)) {
    saw.text += chunk.choices[0].text;
    saw.finish = chunk.choices[0].finish_reason;
  }
}

const ACTIONS = {
  chat,
  stream,
  tools,
  tools_streamed: toolsStreamed,
  schema,
  embeddings,
  completion,
  completion_streamed: completionStreamed,
};

async function carryOut(order) {
  const saw = {};
  const began = performance.now();
  try {
    await ACTIONS[order.do](order, saw);
  } catch (error) {
    saw.error = {
      name: error.constructor.name,
      status: error.status ?? null,
      code: error.code ?? null,
      message: error.message,
    };
  }
  return { saw, seconds: (performance.now() - began) / 1000 };
}

// An order a line, and a line with what was seen, until the suite hangs up.
(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await carryOut(JSON.parse(line))));
  }
})();
