"""POST /v1/messages: Anthropic's protocol over the chat endpoint, as vLLM does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from podman_llm.testing.openai_chat import ChatJob, admit_chat
from podman_llm.testing.openai_errors import Json
from podman_llm.testing.openai_fields import text_of
from podman_llm.testing.openai_model import Choice, Model
from podman_llm.testing.openai_validation import check_message
from podman_llm.testing.openai_wire import DONE, Event, event

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def admit_message(model: Model, body: Json, identity: str, created: int) -> MessageJob:
    """Turn a request into a chat request and decide its answer; raises Refused."""
    check_message(body)
    return MessageJob(admit_chat(model, as_chat(body), identity, created))


def as_chat(body: Json) -> Json:
    """The chat body that asks the same."""
    chat: Json = {"messages": list(_messages(body))}
    names = {"model": "model", "max_tokens": "max_tokens", "stop_sequences": "stop"}
    names |= {name: name for name in ("temperature", "top_p", "stream")}
    chat |= {to: body[name] for name, to in names.items() if body.get(name) is not None}
    if body.get("tools"):
        chat["tools"] = [_tool(tool) for tool in body["tools"]]
        chat["tool_choice"] = _tool_choice(body.get("tool_choice") or {"type": "auto"})
    return chat


def _messages(body: Json) -> Iterator[Json]:
    if body.get("system"):
        yield {"role": "system", "content": text_of(body["system"])}
    for message in body.get("messages") or ():
        blocks = message.get("content")
        results = [part for part in _blocks(blocks) if part.get("type") == "tool_result"]
        for result in results:
            yield {"role": "tool", "content": text_of(result.get("content"))}
        if text_of(blocks) or not results:
            yield {"role": message["role"], "content": text_of(blocks)}


def _blocks(content: object) -> list[Json]:
    if not isinstance(content, list):
        return []
    return [part for part in content if isinstance(part, dict)]


def _tool(tool: Json) -> Json:
    parameters = tool.get("input_schema")
    function = {"name": tool.get("name"), "description": tool.get("description")}
    return {"type": "function", "function": {**function, "parameters": parameters}}


def _tool_choice(choice: Json) -> Json | str:
    if choice.get("type") == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return _TOOL_CHOICES.get(choice.get("type", "auto"), "auto")


@dataclass(frozen=True)
class MessageJob:
    """An admitted Messages request."""

    chat: ChatJob

    @property
    def is_stream(self) -> bool:
        """Whether events were asked for."""
        return self.chat.is_stream

    @property
    def costs(self) -> int:
        """Time of the whole answer, in tokens."""
        return self.chat.costs

    @property
    def prompt_tokens(self) -> int:
        """Tokens read."""
        return self.chat.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Tokens written."""
        return self.chat.completion_tokens

    def whole(self, *, is_aborted: bool = False) -> Json:
        """The ``message`` document."""
        content: list[Json] = [{"type": "text", "text": self._choice.text}]
        call = self._choice.call
        if call is not None:
            block = {"type": "tool_use", "id": call.id, "name": call.name}
            content.append({**block, "input": json.loads(call.arguments)})
        message = {**self._opening(), "role": "assistant", "content": content}
        reason = None if is_aborted else self._stop_reason
        return {
            **message,
            "model": self.chat.head["model"],
            "stop_reason": reason,
            "usage": self._usage(self.completion_tokens),
        }

    def events(self) -> Iterator[Event]:
        """Message start, one content block, message stop, and the ``[DONE]`` of chat streams."""
        start = {**self._opening(), "role": "assistant", "content": []}
        message = {**start, "model": self.chat.head["model"]}
        usage = self._usage(0)
        yield _named("message_start", message={**message, "usage": usage}, costs=1)
        yield _named("content_block_start", index=0, content_block=self._block())
        paid = 1
        for delta, written in self._deltas():
            yield _named("content_block_delta", index=0, delta=delta, costs=max(written - paid, 0))
            paid = written
        yield _named("content_block_stop", index=0, costs=self.costs - paid, closing=True)
        yield from self._ending(self._stop_reason)

    def abort_events(self) -> Iterator[Event]:
        """The finish reason ``abort`` has no name in this protocol: it ends without a reason."""
        yield from self._ending(None)

    def _ending(self, stop_reason: str | None) -> Iterator[Event]:
        usage = self._usage(self.completion_tokens)
        yield _named("message_delta", delta={"stop_reason": stop_reason}, usage=usage, closing=True)
        yield _named("message_stop", closing=True)
        yield DONE

    def _block(self) -> Json:
        call = self._choice.call
        if call is None:
            return {"type": "text", "text": ""}
        return {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}

    def _deltas(self) -> Iterator[tuple[Json, int]]:
        """Deltas, each with how many tokens were written by then."""
        call = self._choice.call
        if call is not None:
            delta = {"type": "input_json_delta", "partial_json": call.arguments}
            yield delta, len(self._choice.tokens)
            return
        for written, token in enumerate(self._choice.tokens, start=1):
            if token.text:
                yield {"type": "text_delta", "text": token.text}, written

    @property
    def _choice(self) -> Choice:
        return self.chat.answer.choices[0]

    @property
    def _stop_reason(self) -> str:
        reason = "tool_calls" if self._choice.call else self._choice.finish_reason
        return _STOP_REASONS[reason]

    def _opening(self) -> Json:
        return {"id": self.chat.head["id"], "type": "message"}

    def _usage(self, written: int) -> Json:
        return {"input_tokens": self.prompt_tokens, "output_tokens": written}


def _named(name: str, *, costs: int = 0, closing: bool = False, **fields: object) -> Event:
    return event({"type": name, **fields}, name, costs=costs, closing=closing)
