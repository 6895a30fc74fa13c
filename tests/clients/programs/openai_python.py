"""What somebody writes with OpenAI's client for Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from openai import OpenAI
from pydantic import BaseModel

from tests.clients.programs.session import Action, Json, carry_out_orders

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class City(BaseModel):
    name: str
    population: int


@contextmanager
def client_of(order: Json) -> Iterator[OpenAI]:
    with OpenAI(base_url=order["base_url"], api_key=order["api_key"]) as client:
        yield client


def asked(order: Json) -> Json:
    return {
        "model": order["model"],
        "messages": [{"role": "user", "content": order["question"]}],
    }


def chat(order: Json, saw: Json) -> None:
    with client_of(order) as client:
        [choice] = client.chat.completions.create(**asked(order)).choices
    saw |= {"text": choice.message.content, "finish": choice.finish_reason}


def stream(order: Json, saw: Json) -> None:
    more: Any = {"stream_options": {"include_usage": True}} if order.get("usage") else {}
    saw |= {"text": "", "finish": None, "tokens": None}
    with client_of(order) as client:
        for chunk in client.chat.completions.create(**asked(order), stream=True, **more):
            if chunk.usage:
                saw["tokens"] = chunk.usage.total_tokens
                continue
            [choice] = chunk.choices
            saw["text"] += choice.delta.content or ""
            saw["finish"] = choice.finish_reason


def tools(order: Json, saw: Json) -> None:
    def answer(client: OpenAI, messages: list[Any]) -> Any:
        return client.chat.completions.create(
            model=order["model"], messages=messages, tools=[WEATHER]
        )

    use_tools(order, saw, answer)


def tools_streamed(order: Json, saw: Json) -> None:
    def answer(client: OpenAI, messages: list[Any]) -> Any:
        with client.chat.completions.stream(
            model=order["model"], messages=messages, tools=[WEATHER]
        ) as events:
            return events.get_final_completion()

    use_tools(order, saw, answer)


def use_tools(order: Json, saw: Json, answer: Callable[[OpenAI, list[Any]], Any]) -> None:
    messages = asked(order)["messages"]
    with client_of(order) as client:
        [choice] = answer(client, messages).choices
        [call] = choice.message.tool_calls
        arguments = json.loads(call.function.arguments)
        saw |= {"finish": choice.finish_reason, "id": call.id}
        saw |= {"name": call.function.name, "arguments": arguments}
        result = {"role": "tool", "tool_call_id": call.id, "content": "Mild, 18 degrees."}
        [choice] = answer(client, [*messages, choice.message, result]).choices
    saw["text"] = choice.message.content


def schema(order: Json, saw: Json) -> None:
    with client_of(order) as client:
        [choice] = client.chat.completions.parse(**asked(order), response_format=City).choices
    assert isinstance(choice.message.parsed, City)
    saw["city"] = choice.message.parsed.model_dump()


def embeddings(order: Json, saw: Json) -> None:
    question: Any = {"model": order["model"], "input": order["texts"]}
    with client_of(order) as client:
        saw["vectors"] = [one.embedding for one in client.embeddings.create(**question).data]
        floats = client.embeddings.create(**question, encoding_format="float").data
    saw["floats"] = [one.embedding for one in floats]


def completion(order: Json, saw: Json) -> None:
    with client_of(order) as client:
        answer = client.completions.create(model=order["model"], prompt=order["question"])
    saw |= {"text": answer.choices[0].text, "finish": answer.choices[0].finish_reason}


def completion_streamed(order: Json, saw: Json) -> None:
    saw["text"] = ""
    with client_of(order) as client:
        for chunk in client.completions.create(
            model=order["model"], prompt=order["question"], stream=True
        ):
            saw["text"] += chunk.choices[0].text
            saw["finish"] = chunk.choices[0].finish_reason


ACTIONS: dict[str, Action] = {
    "chat": chat,
    "stream": stream,
    "tools": tools,
    "tools_streamed": tools_streamed,
    "schema": schema,
    "embeddings": embeddings,
    "completion": completion,
    "completion_streamed": completion_streamed,
}

if __name__ == "__main__":
    carry_out_orders(ACTIONS)
