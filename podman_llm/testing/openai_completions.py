"""POST /v1/completions: plain prompts, one or many."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from podman_llm.testing.openai_errors import Json
from podman_llm.testing.openai_fields import as_truth
from podman_llm.testing.openai_logprobs import completion_logprobs, prompt_logprobs
from podman_llm.testing.openai_model import Answer, Choice, Model
from podman_llm.testing.openai_sampling import Sampling
from podman_llm.testing.openai_tokens import Token
from podman_llm.testing.openai_usage import stream_usage, whole_usage
from podman_llm.testing.openai_validation import check_completion
from podman_llm.testing.openai_wire import DONE, Event, event


def admit_completion(model: Model, body: Json, identity: str, created: int) -> CompletionJob:
    """Check a request and decide its answers; raises Refused as vLLM does."""
    check_completion(body)
    model.check_name(body)
    model.sampling(body)
    keep = body.get("truncate_prompt_tokens")
    answers = [
        model.reply(
            {**body, "prompt": prompt, "tools": None}, model.read_prompt(prompt, keep), prompt
        )
        for prompt in model.vocabulary.prompts(body["prompt"])
    ]
    return CompletionJob(
        model=model,
        answers=tuple(answers),
        head={"id": f"cmpl-{identity}", "created": created, "model": model.config.model},
        is_stream=as_truth(body.get("stream")),
        has_echo=as_truth(body.get("echo")),
        has_usage=as_truth((body.get("stream_options") or {}).get("include_usage")),
    )


@dataclass(frozen=True)
class CompletionJob:
    """An admitted completion request; choices are numbered over all prompts."""

    model: Model
    answers: tuple[Answer, ...]
    head: Json
    is_stream: bool
    has_echo: bool
    has_usage: bool

    @property
    def costs(self) -> int:
        """Time of the whole answer, in tokens."""
        return self._merged.steps

    @property
    def prompt_tokens(self) -> int:
        """Tokens read."""
        return len(self._merged.prompt)

    @property
    def completion_tokens(self) -> int:
        """Tokens written."""
        return self._merged.completion_tokens

    def whole(self, *, is_aborted: bool = False) -> Json:
        """The ``text_completion`` document."""
        choices = [self._whole_choice(index, *pair) for index, pair in enumerate(self._choices())]
        if is_aborted:
            choices = [{**choice, "finish_reason": "abort"} for choice in choices]
        return {
            **self._opening(choices),
            "service_tier": None,
            **self._fingerprint,
            "usage": whole_usage(self.model.config, self._merged),
            "kv_transfer_params": None,
            "ec_transfer_params": None,
            "metrics": None,
        }

    def _whole_choice(self, index: int, prompt: tuple[Token, ...], choice: Choice) -> Json:
        echoed = prompt if self.has_echo else ()
        told = (*echoed, *choice.tokens)
        top = self._sampling.prompt_logprobs
        if top is None and echoed:
            top = self._sampling.top_logprobs
        return {
            "index": index,
            "text": "".join(token.text for token in told),
            "logprobs": self._logprobs(told, offset=0, has_start=bool(echoed)),
            "finish_reason": choice.finish_reason,
            "stop_reason": choice.stop_reason,
            "token_ids": self._ids(choice.tokens),
            "prompt_logprobs": (
                None if top is None else prompt_logprobs(self.model.vocabulary, prompt, top)
            ),
            "prompt_token_ids": self._ids(prompt),
            "routed_experts": None,
        }

    def events(self) -> Iterator[Event]:
        """One event for each token of each choice, usage for those who asked, ``[DONE]``."""
        spoken = [self._pieces(index, *pair) for index, pair in enumerate(self._choices())]
        for step, row in enumerate(itertools.zip_longest(*spoken)):
            told = [choice for choice in row if choice is not None]
            is_last_row = step == self._merged.steps - 1
            for place, choice in enumerate(told):
                is_last = is_last_row and place == len(told) - 1
                ending = self._fingerprint if is_last and not self.has_usage else {}
                closing = choice["finish_reason"] is not None
                costs = 0 if place else 1
                yield event({**self._opening([choice]), **ending}, costs=costs, closing=closing)
        if self.has_usage:
            usage = {"usage": stream_usage(self.model.config, self._merged)}
            yield event({**self._opening([]), **usage, **self._fingerprint}, closing=True)
        yield DONE

    def abort_events(self) -> Iterator[Event]:
        """Each choice ends with finish reason ``abort``, and the stream cleanly."""
        last = len(list(self._choices())) - 1
        for index in range(last + 1):
            choice = self._piece(index, (), 0, is_first=False, finish=("abort", None))
            ending = self._fingerprint if index == last else {}
            yield event({**self._opening([choice]), **ending}, closing=True)
        yield DONE

    def _pieces(self, index: int, prompt: tuple[Token, ...], choice: Choice) -> Iterator[Json]:
        offset = 0
        for position, token in enumerate(choice.tokens):
            is_first = position == 0
            told = (*prompt, token) if is_first and self.has_echo else (token,)
            is_final = position == len(choice.tokens) - 1
            finish = (choice.finish_reason, choice.stop_reason) if is_final else (None, None)
            piece = self._piece(index, told, offset, is_first=is_first, finish=finish)
            if is_first and self._sampling.wants_token_ids:
                piece["prompt_token_ids"] = self._ids(prompt)
            yield piece
            offset += sum(len(told_token.text) for told_token in told)

    def _piece(
        self,
        index: int,
        told: tuple[Token, ...],
        offset: int,
        *,
        is_first: bool,
        finish: tuple[str | None, str | int | None],
    ) -> Json:
        has_start = is_first and self.has_echo
        return {
            "index": index,
            "text": "".join(token.text for token in told),
            "logprobs": self._logprobs(told, offset=offset, has_start=has_start),
            "finish_reason": finish[0],
            "stop_reason": finish[1],
            "prompt_token_ids": None,
            "token_ids": self._ids(told),
        }

    def _choices(self) -> Iterator[tuple[tuple[Token, ...], Choice]]:
        for answer in self.answers:
            for choice in answer.choices:
                yield answer.prompt, choice

    @property
    def _merged(self) -> Answer:
        """All prompts as if they were one, for counting."""
        prompts = tuple(token for answer in self.answers for token in answer.prompt)
        choices = tuple(choice for _, choice in self._choices())
        return Answer(prompts, choices, self.answers[0].sampling)

    def _opening(self, choices: list[Json]) -> Json:
        return {
            "id": self.head["id"],
            "object": "text_completion",
            "created": self.head["created"],
            "model": self.head["model"],
            "choices": choices,
        }

    @property
    def _fingerprint(self) -> Json:
        return {"system_fingerprint": self.model.config.fingerprint}

    @property
    def _sampling(self) -> Sampling:
        return self.answers[0].sampling

    def _logprobs(self, told: tuple[Token, ...], *, offset: int, has_start: bool) -> Json | None:
        """Columns for ``told``; ``has_start`` is whether the prompt begins there."""
        top = self._sampling.top_logprobs
        if top is None:
            return None
        vocabulary = self.model.vocabulary
        return completion_logprobs(vocabulary, told, top, offset=offset, has_start=has_start)

    def _ids(self, tokens: tuple[Token, ...]) -> list[int] | None:
        return [token.id for token in tokens] if self._sampling.wants_token_ids else None
