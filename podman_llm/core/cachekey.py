"""Which requests are the same question: the key an answer is kept under.

The key is SHA-256 over one JSON array, so no two sets of parts can run together:
``[format, tenant, endpoint, body]``, and then over that and the model. The body enters whole, save
for the fields in ``IGNORED_FIELDS``, which name the caller or the bookkeeping and never change an
answer. Dropping anything else would hand one request another one's answer; keeping those would make
hits rare.

What counts as the same body:

- The order of fields is free; everything else is kept, case, white space and Unicode form too.
- ``1`` and ``1.0`` differ (an upstream may tell integers from floats); ``1.0`` and ``1e0`` are the
  same, as are two spellings of the same IEEE double, because every upstream reads them alike.
- ``stream`` absent, ``null`` and ``false`` are the same.
- ``stream_options.include_usage`` is ignored, because a replay can leave the usage chunk out;
  other stream options change the events themselves, and count.
- A field given twice counts as its last value, which is how the JSON reader of vLLM takes it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from podman_llm.errors import ConfigError

IGNORED_FIELDS = frozenset(
    {
        "client_metadata",
        "metadata",
        "promptCacheKey",  # Kilo Code spells it so, with its session id inside
        "prompt_cache_key",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)

# Kilo Code stamps every user message with the second it was written. The line is looked for only
# within its own block, near the top, so that a quadratic search cannot be provoked.
_NAMED_PATTERNS = {
    "kilo": r"<environment_details>\n(?:(?!</environment_details>)[^\n]*\n){0,40}?"
    r"(?P<cut>Message time: [^\n]*\n)",
}
_FORMAT = 2
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True)
class CacheKey:
    """``digest`` is 64 hex digits. ``asked_at`` is the text that volatile patterns cut out.

    ``items`` are the digests of the single questions that the request is made of, where their
    answers are kept one by one.
    """

    digest: str
    asked_at: str = ""
    items: tuple[str, ...] = ()

    def by(self, model_tag: str) -> CacheKey:
        """The key of the answer that one model gives.

        ``model_tag`` names it with its revision: another model behind the same name must not answer
        from this one's entries.
        """
        items = tuple(_by(item, model_tag) for item in self.items)
        return CacheKey(_by(self.digest, model_tag), self.asked_at, items)


def compile_volatile(names_or_regexes: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    """The patterns behind ``cache.volatile_patterns``: known names, or regular expressions.

    A pattern with a group named ``cut`` cuts only that group; the rest of it is context. Raises
    ConfigError for an expression that does not compile, or that matches nothing at all, as such
    a one would cut between any two letters.
    """
    return tuple(_compile(given) for given in names_or_regexes)


def _compile(given: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(_NAMED_PATTERNS.get(given, given))
    except re.error as err:
        raise ConfigError(
            f"cache.volatile_patterns: {given!r} is not a regular expression: {err}",
            hint=f"Use a Python regular expression, or a name: {', '.join(_NAMED_PATTERNS)}.",
        ) from err
    if pattern.match(""):
        raise ConfigError(
            f"cache.volatile_patterns: {given!r} matches the empty text.",
            hint="Write what must be there, for example + instead of *.",
        )
    return pattern


def is_cacheable_request(
    body: Mapping[str, Any],
    policy: Literal["all", "deterministic", "off"],
    endpoint: str = "",
) -> bool:
    """Whether the policy keeps answers to this request.

    ``deterministic`` wants temperature 0 or an integer seed; embeddings have no chance in them.
    """
    match policy:
        case "off":
            return False
        case "all":
            return True
        case "deterministic":
            return endpoint == "embeddings" or _is_deterministic(body)


def _is_deterministic(body: Mapping[str, Any]) -> bool:
    temperature, seed = body.get("temperature"), body.get("seed")
    # bool is an int in Python, and no upstream takes it for a number here.
    is_cold = isinstance(temperature, int | float) and temperature == 0
    return (is_cold and temperature is not False) or type(seed) is int


def cache_key(
    *,
    body: Mapping[str, Any],
    endpoint: str,
    tenant: str,
    volatile: Sequence[re.Pattern[str]] = (),
) -> CacheKey:
    """The key of a request, whoever answers it.

    ``body`` is the parsed JSON. ``volatile`` patterns are cut from message text, for the key only.
    """
    asked = {name: value for name, value in body.items() if name not in IGNORED_FIELDS}
    _normalise_stream(asked)
    parts: list[Any] = [_FORMAT, tenant, endpoint, asked]
    scissors = _Scissors(volatile)
    if volatile:
        scissors.cut_messages(asked)
    if scissors.cuts:
        parts.append("cut")  # else a body that looks like a cut one would share its key
    digest = hashlib.sha256(_encode(parts).encode("ascii")).hexdigest()
    return CacheKey(digest, "\n".join(scissors.cuts))


def _by(digest: str, model_tag: str) -> str:
    return hashlib.sha256(f"{digest} {model_tag}".encode()).hexdigest()


def _normalise_stream(asked: dict[str, Any]) -> None:
    if asked.get("stream") is None or asked["stream"] is False:
        asked.pop("stream", None)
    options = asked.pop("stream_options", None)
    if isinstance(options, dict):
        options = {name: value for name, value in options.items() if name != "include_usage"}
    if options:
        asked["stream_options"] = options


class _Scissors:
    """Cuts volatile text out of messages, and keeps what was cut in ``cuts``.

    Values are replaced, never changed in place: the body goes to the upstream whole.
    """

    def __init__(self, patterns: Sequence[re.Pattern[str]]) -> None:
        self._patterns = patterns
        self.cuts: list[str] = []

    def cut_messages(self, asked: dict[str, Any]) -> None:
        """Cut in every text that a person or a tool wrote, wherever the endpoint has it."""
        for field in ("messages", "input"):
            messages = asked.get(field)
            if isinstance(messages, list):
                asked[field] = [self._cut_within(message, "content") for message in messages]
        for field in ("prompt", "input"):
            if isinstance(asked.get(field), str):
                asked[field] = self._cut_text(asked[field])

    def _cut_within(self, holder: object, field: str) -> object:
        """``holder`` with its ``field``, a text or a list of parts with texts, cut."""
        inner = holder.get(field) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or not isinstance(inner, str | list):
            return holder
        if isinstance(inner, str):
            return holder | {field: self._cut_text(inner)}
        return holder | {field: [self._cut_within(part, "text") for part in inner]}

    def _cut_text(self, text: str) -> object:
        """The text itself, or ``{"cut": pieces}``: where something was cut is part of the key."""
        spans = sorted(
            match.span("cut" if "cut" in pattern.groupindex else 0)
            for pattern in self._patterns
            for match in pattern.finditer(text)
        )
        pieces, end = [], 0
        for start, stop in spans:
            if start < end or start == stop:
                continue  # two patterns claim the same text, or the group is not in the match
            pieces.append(text[end:start])
            self.cuts.append(text[start:stop])
            end = stop
        return {"cut": [*pieces, text[end:]]} if pieces else text
