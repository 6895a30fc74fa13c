"""The model behind the double: what it says to a Converse request, whole and in events."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from podman_llm.testing.openai_errors import Json
from podman_llm.testing.openai_prose import answer_pieces, json_for, sentences

_PIECE = re.compile(r"\s*\S+")
_CHARACTERS_PER_TOKEN = 4
_WORD = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True)
class Reply:
    """What the model says. ``blocks`` are Converse's; tokens are counted by their characters."""

    blocks: tuple[Json, ...]
    stop_reason: str = "end_turn"
    input_tokens: int = 12
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """None of its own: Converse counts in its document."""
        return {}

    def document(self) -> Json:
        """The answer of Converse."""
        return {
            "output": {"message": {"role": "assistant", "content": list(self.blocks)}},
            "stopReason": self.stop_reason,
            **self._metadata(),
        }

    def events(self) -> Iterator[tuple[str, Json]]:
        """The answer of ConverseStream. No block of text or thoughts is announced, only calls."""
        yield "messageStart", {"role": "assistant"}
        for index, block in enumerate(self.blocks):
            if use := block.get("toolUse"):
                start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
                yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
            for delta in _deltas(block):
                yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
            yield "contentBlockStop", {"contentBlockIndex": index}
        yield "messageStop", {"stopReason": self.stop_reason}
        yield "metadata", self._metadata()

    def _metadata(self) -> Json:
        written = len(json.dumps(self.blocks)) // _CHARACTERS_PER_TOKEN
        cached = self.cache_read_tokens + self.cache_write_tokens
        usage = {
            "inputTokens": self.input_tokens,
            "outputTokens": written,
            "totalTokens": self.input_tokens + written + cached,
            "cacheReadInputTokens": self.cache_read_tokens,
            "cacheWriteInputTokens": self.cache_write_tokens,
        }
        return {"usage": usage, "metrics": {"latencyMs": 1}}


def _deltas(block: Json) -> Iterator[Json]:
    match block:
        case {"text": str() as text}:
            yield from ({"text": piece} for piece in _pieces(text))
        case {"toolUse": {"input": given}}:
            text = json.dumps(given, ensure_ascii=False) if given else ""
            yield from ({"toolUse": {"input": piece}} for piece in _pieces(text))
        case {"reasoningContent": {"reasoningText": {"text": str() as text, **signed}}}:
            yield from ({"reasoningContent": {"text": piece}} for piece in _pieces(text))
            yield {"reasoningContent": {"signature": signed.get("signature", "c2lnbmVk")}}
        case _:
            raise ValueError(f"no events are known for {block!r}")


def _pieces(text: str) -> list[str]:
    """The text word by word, which joined is the text again."""
    words = _PIECE.findall(text)
    rest = text[sum(map(len, words)) :]
    return [*words, rest] if rest else words


def reply_to(body: Json) -> Reply:
    """The same answer to the same request: the JSON or the calls asked for, else some prose."""
    seed = json.dumps(body, sort_keys=True).encode()
    dice = random.Random(hashlib.sha256(seed).digest())
    question = _question(body["messages"][-1])
    read = len(seed) // _CHARACTERS_PER_TOKEN
    if calls := _calls(body, question, dice):
        return Reply(tuple(calls), "tool_use", read)
    wanted = (body.get("outputConfig") or {}).get("textFormat")
    if wanted:
        schema = json.loads(wanted["structure"]["jsonSchema"]["schema"])
        text = json_for(schema, question, dice)
    elif "JSON object" in _system(body):
        text = json.dumps({"answer": question[:40]})
    else:
        count = answer_pieces(question, dice)
        text = "".join(itertools.islice(sentences(question, dice), count))
    return _limited(text, body.get("inferenceConfig") or {}, read)


def _limited(text: str, config: Json, read: int) -> Reply:
    stops = [stop for stop in config.get("stopSequences") or () if stop in text]
    if stops:
        end = min(text.index(stop) for stop in stops)
        return Reply(({"text": text[:end]},) if text[:end] else (), "stop_sequence", read)
    limit = config.get("maxTokens")
    words = _pieces(text)
    if limit and len(words) > limit:
        return Reply(({"text": "".join(words[:limit])},), "max_tokens", read)
    return Reply(({"text": text},), "end_turn", read)


def _calls(body: Json, question: str, dice: random.Random) -> list[Json]:
    """The calls demanded, or those that the question names, several if it names several."""
    config = body.get("toolConfig") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool]
    claude = (body.get("additionalModelRequestFields") or {}).get("tool_choice") or {}
    meant = [spec for spec in specs if _is_meant(spec["name"], question)]
    choice = config.get("toolChoice") or {}
    named = (choice.get("tool") or {}).get("name") or claude.get("name")
    if named:
        meant = [spec for spec in specs if spec["name"] == named]
    elif not meant and ("any" in choice or claude.get("type") == "any"):
        meant = specs[:1]
    if claude.get("disable_parallel_tool_use"):
        meant = meant[:1]
    return [_call(spec, question, dice) for spec in meant]


def _call(spec: Json, question: str, dice: random.Random) -> Json:
    given = json.loads(json_for(spec["inputSchema"]["json"], question, dice))
    identity = f"tooluse_{dice.getrandbits(64):016x}"
    return {"toolUse": {"toolUseId": identity, "name": spec["name"], "input": given}}


def _is_meant(name: str, question: str) -> bool:
    """Whether the question says the tool's name, or for ``get_…`` a word of it."""
    asked = question.lower()
    if name.startswith("get_"):
        return bool(set(_WORD.findall(name)).intersection(_WORD.findall(asked)))
    return bool(re.search(rf"\b{re.escape(name.lower())}\b", asked))


def _question(turn: Json) -> str:
    """What the user says in a turn; a turn with results asks nothing new."""
    if any("toolResult" in block for block in turn["content"]):
        return ""
    return " ".join(block["text"] for block in turn["content"] if "text" in block)


def _system(body: Json) -> str:
    return " ".join(block.get("text", "") for block in body.get("system") or ())
