"""POST /v1/chat/completions, as documents and as events."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from podman_llm.testing.openai_errors import Json, bad_request
from podman_llm.testing.openai_fields import as_truth
from podman_llm.testing.openai_logprobs import chat_logprobs, prompt_logprobs
from podman_llm.testing.openai_model import Answer, Choice, Model, ToolCall, last_question
from podman_llm.testing.openai_tokens import Token, opens_answer, render_chat
from podman_llm.testing.openai_usage import running_usage, stream_usage, whole_usage
from podman_llm.testing.openai_validation import check_chat
from podman_llm.testing.openai_wire import DONE, Event, event


def admit_chat(model: Model, body: Json, identity: str, created: int) -> ChatJob:
    """Check a request and decide its answer; raises Refused as vLLM does."""
    check_chat(body)
    model.check_name(body)
    _check_tools(body, has_parser=model.config.tool_parser)
    _check_conversation(body, model.config.model)
    model.sampling(body)
    prompt = model.read_prompt(render_chat(body), body.get("truncate_prompt_tokens"))
    answer = model.reply(body, prompt, last_question(body["messages"]))
    options = body.get("stream_options") or {}
    return ChatJob(
        model=model,
        answer=answer,
        head={"id": f"chatcmpl-{identity}", "created": created, "model": model.config.model},
        is_stream=as_truth(body.get("stream")),
        has_usage=as_truth(options.get("include_usage")),
        has_running_usage=as_truth(options.get("continuous_usage_stats")),
    )


def _check_tools(body: Json, *, has_parser: bool) -> None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if tools is None:
        if choice is not None and choice != "none":
            raise bad_request("When using `tool_choice`, `tools` must be set.", "tool_choice")
        return
    if not tools:
        message = "`tools` must not be an empty array. Either provide at least one tool or omit "
        raise bad_request(f"{message}the field entirely.", "tools")
    match choice:
        case {"function": {"name": name}}:
            if name not in [(tool.get("function") or {}).get("name") for tool in tools]:
                message = "The tool specified in `tool_choice` does not match any of the "
                raise bad_request(f"{message}specified `tools`", "tool_choice")
            refusal = f'tool_choice=function "{name}" requires --tool-call-parser to be set'
        case "required":
            refusal = 'tool_choice="required" requires --tool-call-parser to be set'
        case "none":
            return
        case _:
            refusal = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'
            refusal += " to be set"
    if not has_parser:
        raise bad_request(refusal)


def _check_conversation(body: Json, model: str) -> None:
    if not body["messages"]:
        message = "Cannot apply chat template to an empty conversation."
        raise bad_request(f"{message} Provide at least one message.")
    if as_truth(body.get("continue_final_message")) and opens_answer(body):
        raise bad_request(
            "continue_final_message and add_generation_prompt are not compatible. Use"
            " continue_final_message when you want the model to continue the final message, and"
            " add_generation_prompt when you want to add a header that will prompt it to start a"
            " new assistant message instead."
        )
    contents = [message.get("content") for message in body["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    if any(isinstance(part, dict) and part.get("type") == "image_url" for part in parts):
        raise bad_request(f"{model} is not a multimodal model")


@dataclass(frozen=True)
class ChatJob:
    """An admitted chat request."""

    model: Model
    answer: Answer
    head: Json
    is_stream: bool
    has_usage: bool
    has_running_usage: bool

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
        """The ``chat.completion`` document."""
        choices = [self._whole_choice(*pair) for pair in enumerate(self.answer.choices)]
        if is_aborted:
            choices = [{**choice, "finish_reason": "abort"} for choice in choices]
        return {
            "id": self.head["id"],
            "object": "chat.completion",
            "created": self.head["created"],
            "model": self.head["model"],
            "choices": choices,
            "service_tier": None,
            "system_fingerprint": self.model.config.fingerprint,
            "usage": whole_usage(self.model.config, self.answer),
            "prompt_logprobs": self._prompt_logprobs(),
            "prompt_token_ids": self._prompt_ids(),
            "prompt_text": None,
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "metrics": None,
        }

    def _whole_choice(self, index: int, choice: Choice) -> Json:
        message: Json = {
            "role": "assistant",
            "content": choice.text,
            "refusal": None,
            "annotations": None,
            "audio": None,
            "function_call": None,
        }
        if choice.call is not None:
            function = {"name": choice.call.name, "arguments": choice.call.arguments}
            call = {"id": choice.call.id, "type": "function", "function": function}
            message["tool_calls"] = [call]
        message["reasoning"] = None
        return {
            "index": index,
            "message": message,
            "logprobs": self._logprobs(choice.tokens),
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
            "token_ids": self._ids(choice.tokens),
            "routed_experts": None,
        }

    def events(self) -> Iterator[Event]:
        """Role chunks, deltas, the finish, usage for those who asked, and ``[DONE]``."""
        for index in range(len(self.answer.choices)):
            role = {"role": "assistant", "content": ""}
            choice = {"index": index, "delta": role, "logprobs": None, "finish_reason": None}
            opening = {"prompt_token_ids": self._prompt_ids(), "prompt_text": None}
            yield self._chunk([choice], opening, written=0, costs=0 if index else 1)
        unfinished = len(self.answer.choices)
        for delta in _take_turns([self._deltas(index) for index in range(unfinished)]):
            unfinished -= delta.is_final
            ending = {} if unfinished or self.has_usage else self._fingerprint
            yield self._chunk(
                [delta.choice], ending,
                written=delta.written, costs=delta.costs, closing=delta.is_final,
            )  # fmt: skip
        if self.has_usage:
            usage = {"usage": stream_usage(self.model.config, self.answer)}
            yield event({**self._opening([]), **usage, **self._fingerprint}, closing=True)
        yield DONE

    def abort_events(self) -> Iterator[Event]:
        """Each choice ends with finish reason ``abort``, as on SIGTERM, and the stream cleanly."""
        last = len(self.answer.choices) - 1
        for index in range(last + 1):
            delta = {} if self.model.config.tool_parser else {"content": ""}
            choice = self._telling(index, delta, (), finish=("abort", None))
            ending = self._fingerprint if index == last else {}
            yield self._chunk([choice], ending, written=0, closing=True)
        yield DONE

    def _deltas(self, index: int) -> Iterator[_Delta]:
        """What one choice says, piece by piece; the last piece carries why it ended."""
        choice = self.answer.choices[index]
        is_slowest = index == self.answer.slowest
        pieces = self._pieces(choice)
        written = 0
        for position, (delta, tokens) in enumerate(pieces):
            written += len(tokens)
            is_final = position == len(pieces) - 1
            finish = (choice.finish_reason, choice.stop_reason) if is_final else None
            # The role chunk waited for the first token already.
            costs = len(tokens) - (position == 0) if is_slowest else 0
            told = self._telling(index, delta, tokens, finish=finish)
            yield _Delta(told, max(costs, 0), written, is_final)

    def _pieces(self, choice: Choice) -> list[tuple[Json, tuple[Token, ...]]]:
        """Deltas with the tokens they stand for; a parser swallows those that say nothing."""
        if choice.call is not None:
            return self._call_pieces(choice.call, choice.tokens)
        if not self.model.config.tool_parser:
            return [({"content": token.text}, (token,)) for token in choice.tokens]
        pieces: list[tuple[Json, tuple[Token, ...]]] = []
        held: tuple[Token, ...] = ()
        for token in choice.tokens:
            held = (*held, token)
            if token.text:
                pieces.append(({"content": token.text}, held))
                held = ()
        return [*pieces, ({}, held)] if held else pieces

    def _call_pieces(
        self, call: ToolCall, tokens: tuple[Token, ...]
    ) -> list[tuple[Json, tuple[Token, ...]]]:
        opening = {"id": call.id, "type": "function", "index": 0, "function": {"name": call.name}}
        arguments = tuple(self.model.vocabulary.tokens(call.arguments))
        pieces: list[tuple[Json, tuple[Token, ...]]] = [
            ({"content": None, "tool_calls": [opening]}, tokens[: len(tokens) - len(arguments)])
        ]
        for token in arguments:
            part = {"index": 0, "function": {"arguments": token.text}}
            pieces.append(({"content": None, "tool_calls": [part]}, (token,)))
        return [*pieces, ({}, ())]

    def _telling(
        self,
        index: int,
        delta: Json,
        tokens: tuple[Token, ...],
        *,
        finish: tuple[str, str | int | None] | None,
    ) -> Json:
        reasons: Json = {"finish_reason": None}
        if finish is not None:
            reasons = {"finish_reason": finish[0], "stop_reason": finish[1]}
        logprobs = self._logprobs(tokens)
        ids = self._ids(tokens)
        return {"index": index, "delta": delta, "logprobs": logprobs, **reasons, "token_ids": ids}

    def _chunk(
        self, choices: list[Json], ending: Json, *, written: int, costs: int = 0,
        closing: bool = False,
    ) -> Event:  # fmt: skip
        usage = {"usage": running_usage(self.answer, written)} if self.has_running_usage else {}
        document = {**self._opening(choices), **usage, **ending}
        return event(document, costs=costs, closing=closing)

    def _opening(self, choices: list[Json]) -> Json:
        return {
            "id": self.head["id"],
            "object": "chat.completion.chunk",
            "created": self.head["created"],
            "model": self.head["model"],
            "choices": choices,
        }

    @property
    def _fingerprint(self) -> Json:
        return {"system_fingerprint": self.model.config.fingerprint}

    def _logprobs(self, tokens: tuple[Token, ...]) -> Json | None:
        top = self.answer.sampling.top_logprobs
        return None if top is None else chat_logprobs(self.model.vocabulary, tokens, top)

    def _prompt_logprobs(self) -> list[Json | None] | None:
        top = self.answer.sampling.prompt_logprobs
        if top is None:
            return None
        return prompt_logprobs(self.model.vocabulary, self.answer.prompt, top)

    def _ids(self, tokens: tuple[Token, ...]) -> list[int] | None:
        return [token.id for token in tokens] if self.answer.sampling.wants_token_ids else None

    def _prompt_ids(self) -> list[int] | None:
        return self._ids(self.answer.prompt)


@dataclass(frozen=True)
class _Delta:
    """A piece of one choice; ``written`` is how many tokens the choice has with it."""

    choice: Json
    costs: int
    written: int
    is_final: bool


def _take_turns(speakers: list[Iterator[_Delta]]) -> Iterator[_Delta]:
    """One delta of each choice in turn until all have ended."""
    for row in itertools.zip_longest(*speakers):
        yield from (delta for delta in row if delta is not None)
