"""The model behind the double: reads a request, knows the whole answer, and keeps to the limits."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_errors import Json, bad_request, unknown_model
from podman_llm.testing.openai_fields import text_of
from podman_llm.testing.openai_prose import answer_pieces, json_for, sentences
from podman_llm.testing.openai_sampling import Sampling, check_grammar, read_sampling
from podman_llm.testing.openai_tokens import END_ID, PrefixCache, Token, Vocabulary

# What tells how to answer, not what: the same question asked either way has the same answer.
_MANNER = ("stream", "stream_options")
_CHARACTERS_PER_TOKEN = 32
_WORD = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True)
class ToolCall:
    """One call the model decided on; ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Choice:
    """One answer. ``tokens`` end with an empty one if it ended by itself."""

    tokens: tuple[Token, ...]
    finish_reason: str
    stop_reason: str | int | None = None
    call: ToolCall | None = None

    @property
    def text(self) -> str:
        """What was said; a tool call says nothing."""
        return "" if self.call else "".join(token.text for token in self.tokens)


@dataclass(frozen=True)
class Answer:
    """All choices for one prompt."""

    prompt: tuple[Token, ...]
    choices: tuple[Choice, ...]
    sampling: Sampling
    cached_tokens: int = 0
    """How many prompt tokens were known from earlier prompts."""
    created_tokens: int = 0
    """How many prompt tokens are known from now on."""

    @property
    def completion_tokens(self) -> int:
        """Tokens written, over all choices."""
        return sum(len(choice.tokens) for choice in self.choices)

    @property
    def slowest(self) -> int:
        """The choice that takes longest."""
        return max(range(len(self.choices)), key=lambda index: len(self.choices[index].tokens))

    @property
    def steps(self) -> int:
        """Time that it takes in tokens: choices are decoded side by side."""
        return len(self.choices[self.slowest].tokens)


class Model:
    """Answers prompts. The same body gives the same answer unless its temperature is random."""

    def __init__(self, config: OpenAIDoubleConfig) -> None:
        self.config = config
        self.vocabulary = Vocabulary(config.vocabulary_size)
        self._prefixes = PrefixCache()

    def check_name(self, body: Json) -> None:
        """Refuse a model that is not served; a request without a name gets the default one."""
        name = body.get("model")
        if name is not None and name not in self.config.served_names:
            raise unknown_model(name, self.config.served_names)

    def sampling(self, body: Json) -> Sampling:
        """The sampler's part of ``body``; raises Refused."""
        config = self.config
        return read_sampling(
            body, vocabulary_size=config.vocabulary_size, max_model_len=config.max_model_len
        )

    def read_prompt(self, text: str, keep: int | None = None) -> tuple[Token, ...]:
        """Tokens of a prompt, the last ``keep`` if told; raises Refused where it is too long."""
        limit = self.config.max_model_len
        characters = limit * _CHARACTERS_PER_TOKEN
        opening = f"This model's maximum context length is {limit} tokens. However, your prompt"
        closing = "Please reduce the length of the input prompt."
        if len(text) > characters:
            message = f"{opening} contains {len(text)} characters (more than {characters} "
            message += f"characters, which is the upper bound for {limit} input tokens). {closing}"
            raise bad_request(message, "input_text", len(text))
        tokens = tuple(self.vocabulary.tokens(text))
        if keep is not None:
            if keep < 1:
                raise bad_request(f"truncate_prompt_tokens must be at least 1, got {keep}.")
            tokens = tokens[-int(keep) :]
        if len(tokens) >= limit:
            message = f"{opening} contains at least {limit + 1} input tokens, which exceeds this "
            message += f"limit even without any output tokens. {closing}"
            raise bad_request(message, "input_tokens", limit + 1)
        return tokens

    def reply(self, body: Json, prompt: tuple[Token, ...], question: str) -> Answer:
        """Answer a prompt that was read; ``question`` is the part of it to answer."""
        sampling = self.sampling(body)
        room = self.config.max_model_len - len(prompt)
        limit = min(sampling.max_tokens or room, room)
        choices = [
            self._choose(body, question, sampling, limit, self._dice(body, sampling, index))
            for index in range(sampling.n)
        ]
        cached, created = self._prefixes.read(prompt)
        return Answer(prompt, tuple(choices), sampling, cached, created)

    def _dice(self, body: Json, sampling: Sampling, index: int) -> random.Random:
        if sampling.is_random:
            return random.Random()
        asked = {key: value for key, value in body.items() if key not in _MANNER}
        text = json.dumps([self.config.seed, index, asked], sort_keys=True)
        return random.Random(hashlib.sha256(text.encode()).digest())

    def _choose(
        self, body: Json, question: str, sampling: Sampling, limit: int, dice: random.Random
    ) -> Choice:
        call = _tool_call(body, question, dice)
        if call is not None:
            said = f'<tool_call>\n{{"name": "{call.name}", "arguments": {call.arguments}}}'
            tokens = (*self.vocabulary.tokens(f"{said}\n</tool_call>"), _END)
            # A named function is not the model's decision, and vLLM reports it as a plain stop.
            is_named = isinstance(body.get("tool_choice"), dict)
            return Choice(tokens, "stop" if is_named else "tool_calls", call=call)
        return _limited(self._say(body, question, dice), sampling, limit)

    def _say(self, body: Json, question: str, dice: random.Random) -> Iterator[Token]:
        fixed = _structured(body, question, dice)
        if fixed is not None:
            pieces: Iterable[str] = (fixed,)
        elif self.config.endless:
            pieces = sentences(question, dice)
        else:
            count = answer_pieces(question, dice)
            pieces = itertools.islice(sentences(question, dice), count)
        for piece in pieces:
            yield from self.vocabulary.tokens(piece)
        yield _END


_END = Token("", END_ID)


def _limited(tokens: Iterator[Token], sampling: Sampling, limit: int) -> Choice:
    """Take tokens until the answer ends, a stop string or token is met, or ``limit`` is reached."""
    kept: list[Token] = []
    text = ""
    longest = max(map(len, sampling.stops), default=0)
    for token in itertools.islice(tokens, limit):
        if token.id in sampling.stop_token_ids:
            return Choice((*kept, Token("", token.id)), "stop", token.id)
        kept.append(token)
        if token is _END:
            return Choice(tuple(kept), "stop")
        if longest:
            text += token.text
            unseen = max(0, len(text) - len(token.text) - longest)
            stop = next((stop for stop in sampling.stops if text.find(stop, unseen) >= 0), None)
            if stop is not None:
                return Choice(_cut(kept, text.index(stop)), "stop", stop)
    return Choice(tuple(kept), "length")


def _cut(tokens: list[Token], length: int) -> tuple[Token, ...]:
    """``tokens`` with their text cut to ``length`` characters; none of them is dropped."""
    kept: list[Token] = []
    for token in tokens:
        kept.append(Token(token.text[: max(length, 0)], token.id))
        length -= len(token.text)
    return tuple(kept)


def _structured(body: Json, question: str, dice: random.Random) -> str | None:
    """The text that a grammar in the request forces, if it has one."""
    outputs = body.get("structured_outputs") or {}
    if outputs.get("choice"):
        return str(dice.choice(outputs["choice"]))
    schema = outputs.get("json")
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        schema = (wanted.get("json_schema") or {}).get("schema") or {}
    elif wanted.get("type") == "json_object":
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    if not isinstance(schema, dict):
        return None
    check_grammar(schema)
    return json_for(schema, question, dice)


def _tool_call(body: Json, question: str, dice: random.Random) -> ToolCall | None:
    """The call to make: the one demanded, or one whose name's words the question uses."""
    tools = [tool.get("function") or {} for tool in body.get("tools") or ()]
    match body.get("tool_choice"):
        case {"function": {"name": name}}:
            chosen = [tool for tool in tools if tool.get("name") == name]
        case "required":
            chosen = [tool for tool in tools if _is_meant(tool, question)] or tools
        case "none":
            chosen = []
        case _:
            is_new = bool(body.get("messages")) and body["messages"][-1].get("role") == "user"
            chosen = [tool for tool in tools if is_new and _is_meant(tool, question)]
    if not chosen:
        return None
    schema = chosen[0].get("parameters") or {"type": "object"}
    check_grammar(schema)
    identity = f"chatcmpl-tool-{secrets.token_hex(8)}"
    return ToolCall(identity, str(chosen[0].get("name")), json_for(schema, question, dice))


def _is_meant(tool: Json, question: str) -> bool:
    """Whether the question asks for the tool plainly.

    Only ``get_…`` tools are used because the question names their subject: a coding agent's
    ``write`` must not write made-up files because somebody said the word.
    """
    name, asked = str(tool.get("name", "")).lower(), question.lower()
    if name.startswith("get_"):
        return bool(set(_WORD.findall(name)).intersection(_WORD.findall(asked)))
    return bool(re.search(rf"\b(?:use|call|invoke)\b[^.\n]*\b{re.escape(name)}\b", asked))


def last_question(messages: list[Json]) -> str:
    """The text of the last message that somebody other than the model wrote."""
    said = [message for message in messages if message.get("role") != "assistant"]
    return text_of(said[-1].get("content")) if said else ""
