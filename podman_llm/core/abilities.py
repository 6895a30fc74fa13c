"""What a request needs, and what an upstream says it can: who cannot honour it is not asked.

An upstream that ignores a field answers 200 with something else than what was asked for, and no
client notices. So a need is met by declaration, never by trying.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from podman_llm.core.completion import Endpoint, choices_asked
from podman_llm.core.dialects import DIALECTS, in_chat
from podman_llm.core.particulars import particulars_of

_BYTES_PER_TOKEN: Final = 4
_OUTPUT_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_IMAGES: Final = frozenset({"image", "image_url", "input_image"})
# Fields of vLLM's own without which the answer would be another thing, not just another sample.
_BINDING: Final = frozenset(
    {
        "allowed_token_ids",
        "continue_final_message",
        "echo",
        "guided_choice",
        "guided_grammar",
        "guided_json",
        "guided_regex",
        "prompt_logprobs",
        "structured_outputs",
    }
)


# Qwen, StarCoder and Granite, Code Llama, Codestral, DeepSeek.
_GAP: Final = re.compile(
    r"<\|?fim_(?:prefix|suffix|middle)\|?>|<(?:PRE|SUF)> |\[SUFFIX\]"
    r"|<\uff5cfim\u2581(?:begin|hole)\uff5c>"
)


class Ability(StrEnum):
    """What not every upstream can."""

    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    IMAGES = "images"
    N = "n"
    LOGPROBS = "logprobs"
    SUFFIX = "suffix"
    VLLM_FIELDS = "vllm_fields"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request needs.

    ``prompt`` is a guess at its tokens, of the text alone; ``pictures`` come on top. ``answer`` is
    how many tokens it allows each of ``choices`` answers to have, None if it sets no limit.
    ``particulars`` are for who knows its models better than by ability. ``dimensions`` are those of
    the vectors asked for, None for any.
    ``untranslatable`` is why chat has no words for it, empty if it has, or if it is a chat.
    """

    endpoint: Endpoint | None = None
    model: str = ""
    abilities: frozenset[Ability] = frozenset()
    prompt: int = 0
    answer: int | None = None
    choices: int = 1
    pictures: int = 0
    particulars: tuple[str, ...] = ()
    dimensions: int | None = None
    untranslatable: str = ""

    @property
    def tokens(self) -> int:
        """What must fit a context: the prompt, and an answer as long as it may be."""
        return self.prompt + (self.answer or 0)


NO_NEEDS: Final = Needs()
"""Of a request that is not understood: only who takes everything may be asked."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What an upstream declares.

    ``models`` maps our names to its own, ``*`` standing for all others. ``context`` is in tokens,
    None if unknown.
    """

    abilities: frozenset[Ability]
    endpoints: frozenset[Endpoint]
    models: Mapping[str, str]
    context: int | None = None

    def translates(self, endpoint: Endpoint | None) -> bool:
        """Whether it is asked for a chat where this is asked for."""
        is_foreign = endpoint in DIALECTS and endpoint not in self.endpoints
        return is_foreign and Endpoint.CHAT in self.endpoints

    def model_for(self, name: str) -> str | None:
        """Its name of the model, None if it has none for it."""
        return self.models.get(name) or self.models.get("*")


def lack(needs: Needs, offer: Offer) -> str:
    """Why an upstream cannot honour a request; empty if it can."""
    if needs.endpoint not in offer.endpoints and not offer.translates(needs.endpoint):
        return f"does not answer {needs.endpoint or 'this path'}"
    if offer.translates(needs.endpoint) and needs.untranslatable:
        return f"answers {needs.endpoint} by translation only: {needs.untranslatable}"
    if offer.model_for(needs.model) is None:
        return f"has no model for {needs.model!r}"
    if missing := needs.abilities - offer.abilities:
        return f"lacks {', '.join(sorted(missing))}"
    if offer.context is not None and needs.tokens > offer.context:
        return f"takes {offer.context} tokens and this is about {needs.tokens}"
    return ""


def needs_of(endpoint: Endpoint, body: Mapping[str, Any]) -> Needs:
    """Read the needs out of a request body."""
    model, dimensions = body.get("model"), body.get("dimensions")
    limits = [limit for field in _OUTPUT_LIMITS if (limit := _whole(body.get(field))) is not None]
    chat, why = in_chat(endpoint, body)  # plainer: other dialects have pictures in many places
    pictures = sum(map(_is_image, _parts(chat)))
    return Needs(
        endpoint=endpoint,
        model=model if isinstance(model, str) else "",
        abilities=frozenset([*_abilities(body, pictures), *_abilities(chat, pictures)]),
        prompt=_tokens(chat),
        answer=max(0, *limits) if limits else None,
        choices=_choices(endpoint, body),
        pictures=pictures,
        particulars=particulars_of(chat),
        dimensions=dimensions if type(dimensions) is int else None,
        untranslatable=why,
    )


def _whole(value: object) -> int | None:
    """A limit as a whole number, however it is written; None for what is none."""
    if type(value) is float and math.isfinite(value):
        return math.ceil(value)
    return value if type(value) is int else None


def _choices(endpoint: Endpoint, body: Mapping[str, Any]) -> int:
    """How many answers are written, be they given or not."""
    tried = {"n": body["best_of"]} if type(body.get("best_of")) is int else {}
    return max(choices_asked(endpoint, body), choices_asked(endpoint, {**body, **tried}))


def _abilities(body: Mapping[str, Any], pictures: int) -> Iterator[Ability]:
    if body.get("tools") or body.get("functions"):
        yield Ability.TOOLS
    if _wants_json(body):
        yield Ability.JSON_SCHEMA
    if pictures:
        yield Ability.IMAGES
    if any(type(body.get(field)) is int and body[field] > 1 for field in ("n", "best_of")):
        yield Ability.N
    logprobs = body.get("logprobs")
    if logprobs is not None and logprobs is not False:  # in completions 0 asks for some
        yield Ability.LOGPROBS
    if body.get("suffix") or _is_rendered(body.get("prompt")):
        yield Ability.SUFFIX
    if any(body.get(field) for field in _BINDING):
        yield Ability.VLLM_FIELDS


def _is_rendered(prompt: object) -> bool:
    """Whether an editor has put the text around a gap into one model's own marks.

    To any other model they are text, which it goes on with.
    """
    texts = prompt if isinstance(prompt, list) else [prompt]
    return any(isinstance(text, str) and _GAP.search(text) for text in texts)


def _wants_json(body: Mapping[str, Any]) -> bool:
    text = body.get("text")
    formats = body.get("response_format"), text.get("format") if isinstance(text, dict) else None
    kinds = [asked.get("type") for asked in formats if isinstance(asked, dict)]
    return any(isinstance(kind, str) and kind != "text" for kind in kinds)


def _parts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The parts of messages, in the dialects of chat, responses and messages."""
    for messages in (body.get("messages"), body.get("input")):
        for message in _objects(messages):
            yield from _objects(message.get("content"))


def _objects(value: object) -> Iterable[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _is_image(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return isinstance(kind, str) and kind in _IMAGES


def _tokens(body: Mapping[str, Any]) -> int:
    """A guess: four bytes to a token, and pictures for nothing.

    Bytes, as a character of Chinese is more of a token than one of English is.
    """
    tokens, size, waiting = 0, 0, list[object](body.values())
    while waiting:
        match waiting.pop():
            case str() as text if not text.startswith("data:"):
                size += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
            case dict() as mapping:
                waiting.extend(mapping.values())
            case list() as ids if ids and type(ids[0]) is int:
                tokens += len(ids)
            case list() as items:
                waiting.extend(items)
            case _:
                pass
    return tokens + size // _BYTES_PER_TOKEN
