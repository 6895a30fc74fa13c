"""POST /v1/responses, as documents and as named events. Text only: calls of tools are not made."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from podman_llm.testing.openai_errors import Json
from podman_llm.testing.openai_fields import as_truth
from podman_llm.testing.openai_model import Answer, Model, last_question
from podman_llm.testing.openai_tokens import render_chat
from podman_llm.testing.openai_validation import check_response
from podman_llm.testing.openai_wire import Event, event


def admit_response(model: Model, body: Json, identity: str, created: int) -> ResponseJob:
    """Check a request and decide its answer; raises Refused."""
    check_response(body)
    model.check_name(body)
    conversation = {"messages": list(_messages(body))}
    prompt = model.read_prompt(render_chat(conversation))
    wanted = {**conversation, "max_tokens": body.get("max_output_tokens")}
    wanted |= {key: body[key] for key in ("temperature", "top_p", "stream") if key in body}
    answer = model.reply(wanted, prompt, last_question(conversation["messages"]))
    return ResponseJob(model, answer, body, f"resp_{identity}", created)


def _messages(body: Json) -> Iterator[Json]:
    """The conversation that a Responses body describes; items that are no messages are left out."""
    if body.get("instructions"):
        yield {"role": "system", "content": body["instructions"]}
    given = body.get("input", "")
    if isinstance(given, str):
        yield {"role": "user", "content": given}
        return
    for item in given:
        if isinstance(item, dict) and "role" in item:
            yield {"role": item["role"], "content": item.get("content")}


@dataclass(frozen=True)
class ResponseJob:
    """An admitted Responses request."""

    model: Model
    answer: Answer
    body: Json
    identity: str
    created: int

    @property
    def is_stream(self) -> bool:
        """Whether events were asked for."""
        return as_truth(self.body.get("stream"))

    @property
    def costs(self) -> int:
        """Time of the whole answer, in tokens."""
        return self.answer.steps

    @property
    def prompt_tokens(self) -> int:
        """Tokens read."""
        return len(self.answer.prompt)

    @property
    def completion_tokens(self) -> int:
        """Tokens written."""
        return self.answer.completion_tokens

    def whole(self, *, is_aborted: bool = False) -> Json:
        """The ``response`` document."""
        message = self._message(f"msg_{secrets.token_hex(8)}", "completed")
        return self._document("cancelled" if is_aborted else self._status, [message])

    def events(self) -> Iterator[Event]:
        """Created, one message with one text, completed; each numbered."""
        identity = f"msg_{secrets.token_hex(8)}"
        for number, (name, document, costs) in enumerate(self._told(identity)):
            numbered = _in_order({**document, "sequence_number": number, "type": name})
            yield event(numbered, name, costs=costs, closing=name == "response.completed")

    def abort_events(self) -> Iterator[Event]:
        """A stream that the server aborts stops without ``response.completed``."""
        yield from ()

    def _told(self, identity: str) -> Iterator[tuple[str, Json, int]]:
        """Names, documents and costs of the events, in order."""
        started = self._document("in_progress", [])
        yield "response.created", {"response": started}, 0
        yield "response.in_progress", {"response": started}, 0
        item = {**self._message(identity, "in_progress"), "content": []}
        yield "response.output_item.added", {"item": item, "output_index": 0}, 1
        where = {"content_index": 0, "item_id": identity, "output_index": 0}
        empty = _part("", [])
        yield "response.content_part.added", {**where, "part": empty}, 0
        text = self.answer.choices[0].text
        owed = -1  # the first token is paid for already
        for token in self.answer.choices[0].tokens:
            owed += 1
            if token.text:
                delta = {**where, "delta": token.text, "logprobs": []}
                yield "response.output_text.delta", delta, owed
                owed = 0
        yield "response.output_text.done", {**where, "logprobs": [], "text": text}, max(owed, 0)
        yield "response.content_part.done", {**where, "part": _part(text, None)}, 0
        message = self._message(identity, "completed")
        yield "response.output_item.done", {"item": message, "output_index": 0}, 0
        yield "response.completed", {"response": self._document(self._status, [message])}, 0

    @property
    def _status(self) -> str:
        is_cut = self.answer.choices[0].finish_reason == "length"
        return "incomplete" if is_cut else "completed"

    def _message(self, identity: str, status: str) -> Json:
        return {
            "id": identity,
            "content": [_part(self.answer.choices[0].text, None)],
            "role": "assistant",
            "status": status,
            "type": "message",
            "phase": None,
        }

    def _document(self, status: str, output: list[Json]) -> Json:
        body = self.body
        is_cut = status == "incomplete"
        limit = body.get("max_output_tokens")
        room = self.model.config.max_model_len - len(self.answer.prompt)
        return {
            "id": self.identity,
            "created_at": self.created,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "instructions": body.get("instructions"),
            "metadata": body.get("metadata"),
            "model": self.model.config.model,
            "object": "response",
            "output": output,
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "temperature": _float(body.get("temperature")),
            "tool_choice": body.get("tool_choice", "none"),
            "tools": body.get("tools") or [],
            "top_p": _float(body.get("top_p")),
            "background": False,
            "max_output_tokens": room if limit is None else limit,
            "max_tool_calls": body.get("max_tool_calls"),
            "previous_response_id": body.get("previous_response_id"),
            "prompt": body.get("prompt"),
            "reasoning": body.get("reasoning"),
            "service_tier": body.get("service_tier", "auto"),
            "status": status,
            "text": body.get("text"),
            "top_logprobs": body.get("top_logprobs"),
            "truncation": body.get("truncation", "disabled"),
            "usage": None if status == "in_progress" else self._usage(),
            "user": body.get("user"),
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "input_messages": None,
            "output_messages": None,
        }

    def _usage(self) -> Json:
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return {
            "input_tokens": prompt,
            "input_tokens_details": {
                "cached_tokens": self.answer.cached_tokens,
                "cache_write_tokens": self.answer.created_tokens,
                "input_tokens_per_turn": [],
                "cached_tokens_per_turn": [],
            },
            "output_tokens": completion,
            "output_tokens_details": {
                "reasoning_tokens": 0,
                "tool_output_tokens": 0,
                "output_tokens_per_turn": [],
                "tool_output_tokens_per_turn": [],
            },
            "total_tokens": prompt + completion,
        }


def _part(text: str, logprobs: list[Json] | None) -> Json:
    return {"annotations": [], "text": text, "type": "output_text", "logprobs": logprobs}


def _float(given: Any) -> float:  # noqa: ANN401 - a number of the request, or nothing
    return 1.0 if given is None else float(given)


def _in_order(document: Json) -> Json:
    """The keys sorted as recorded: alphabetical, as the event classes declare them."""
    return {key: document[key] for key in sorted(document)}
