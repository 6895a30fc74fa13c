"""What somebody writes with LangChain, in a virtual environment that has it (.sdk/langchain)."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from tests.clients.programs.session import Action, Json, carry_out_orders


@tool  # type: ignore[untyped-decorator]  # LangChain is in an environment of its own
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Mild, 18 degrees in {city}."


class City(BaseModel):
    """A city."""

    name: str
    population: int


def place(order: Json) -> Json:
    return {name: order[name] for name in ("model", "base_url", "api_key")}


def chat(order: Json, saw: Json) -> None:
    message = ChatOpenAI(**place(order)).invoke(order["question"])
    saw |= {"text": message.content, "finish": message.response_metadata["finish_reason"]}


def stream(order: Json, saw: Json) -> None:
    model = ChatOpenAI(**place(order), stream_usage=bool(order.get("usage")))
    saw |= {"text": "", "finish": None, "tokens": None}
    for chunk in model.stream(order["question"]):
        saw["text"] += chunk.content
        saw["finish"] = chunk.response_metadata.get("finish_reason") or saw["finish"]
        if chunk.usage_metadata:
            saw["tokens"] = chunk.usage_metadata["total_tokens"]


def tools(order: Json, saw: Json) -> None:
    model = ChatOpenAI(**place(order)).bind_tools([get_weather])
    use_tools(order, saw, model.invoke)


def tools_streamed(order: Json, saw: Json) -> None:
    model = ChatOpenAI(**place(order)).bind_tools([get_weather])
    use_tools(order, saw, lambda messages: reduce(add, model.stream(messages)))


def use_tools(order: Json, saw: Json, answer: Callable[[list[Any]], Any]) -> None:
    messages: list[Any] = [HumanMessage(order["question"])]
    message = answer(messages)
    [call] = message.tool_calls
    saw |= {"finish": message.response_metadata["finish_reason"], "id": call["id"]}
    saw |= {"name": call["name"], "arguments": call["args"]}
    result = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    saw["text"] = answer([*messages, message, result]).content


def schema(order: Json, saw: Json) -> None:
    city = ChatOpenAI(**place(order)).with_structured_output(City).invoke(order["question"])
    assert isinstance(city, City)
    saw["city"] = city.model_dump()


def embeddings(order: Json, saw: Json) -> None:
    # Texts go as texts: to cut them into tokens it would download a vocabulary of OpenAI's.
    as_texts = place(order) | {"check_embedding_ctx_length": False}
    saw["vectors"] = OpenAIEmbeddings(**as_texts).embed_documents(order["texts"])
    floats = OpenAIEmbeddings(**as_texts, model_kwargs={"encoding_format": "float"})
    saw["floats"] = floats.embed_documents(order["texts"])


def completion(order: Json, saw: Json) -> None:
    [[generation]] = OpenAI(**place(order)).generate([order["question"]]).generations
    saw |= {"text": generation.text, "finish": generation.generation_info["finish_reason"]}


def completion_streamed(order: Json, saw: Json) -> None:
    saw["text"] = "".join(OpenAI(**place(order)).stream(order["question"]))


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
