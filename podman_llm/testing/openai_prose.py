"""What the double says: plausible English and code, chosen by dice and by the question."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

from podman_llm.testing.openai_errors import Json

_CODE_WORDS = re.compile(
    r"\b(code|function|class|method|implement|refactor|script|bug|fix|test|python|parse)\b",
    re.IGNORECASE,
)
_GREETING = re.compile(r"\b(hello|hi|hey|good (?:morning|evening))\b", re.IGNORECASE)
_ASIDE = re.compile(r"<(\w+)>.*?</\1>", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]{4,}")
_DULL = {
    *("about", "with", "this", "that", "what", "when", "which", "please", "write", "could"),
    *("would", "should", "hello", "there", "have", "from", "into", "your", "then", "them"),
    *("some", "make", "code", "function", "class", "method", "python", "implement", "script"),
}  # fmt: skip

_GREETINGS = (
    "Hello! Good to see you. What are we building today?",
    "Hello there! I am ready when you are: ask a question or paste some code.",
    "Hi! Tell me what you are working on and I will help where I can.",
)
_OPENINGS = (
    "The short answer on {topic}: keep it small and make the common path obvious.",
    "With {topic} it helps to separate what is decided from what is done.",
    "There are two things worth knowing about {topic}.",
    "Let us take {topic} step by step.",
)
_SENTENCES = (
    "Start from the smallest case that works, and let a test pin it down before you widen it.",
    "Name the states first; most of the bugs live in the ones nobody named.",
    "Measure before changing anything, because the slow part is rarely the one you suspect.",
    "If two callers need different behaviour, give them two functions rather than a flag.",
    "Write down what must hold afterwards, then the code almost writes itself.",
    "An error message should say what happened and what to do next.",
    "Timeouts belong at the edge, where somebody can still decide what they mean.",
    "Keep the data in one place and derive the rest, so that nothing can disagree.",
    "When a retry is safe, say why in one line; when it is not, do not retry.",
    "Prefer a plain loop over a clever expression if a tired reader has to trust it.",
    "It costs little to log the decision — and a lot to guess it a week later.",
    "Once that holds, the remaining work is mostly deleting what is no longer needed.",
)
_SNIPPETS = (
    (
        "def {name}(lines: list[str]) -> dict[str, str]:\n"
        '    """Read `key = value` lines; comments and blank lines are skipped."""\n'
        "    pairs = {{}}\n"
        "    for line in lines:\n"
        '        text = line.split("#", 1)[0].strip()\n'
        "        if not text:\n"
        "            continue\n"
        '        key, _, value = text.partition("=")\n'
        "        pairs[key.strip()] = value.strip()\n"
        "    return pairs\n"
    ),
    (
        "def {name}(items: list[int], size: int) -> list[list[int]]:\n"
        '    """Split `items` into runs of at most `size`."""\n'
        "    if size < 1:\n"
        '        raise ValueError("size must be at least 1")\n'
        "    return [items[i : i + size] for i in range(0, len(items), size)]\n"
    ),
    (
        "def {name}(attempts: int, first: float = 0.5, cap: float = 30.0) -> list[float]:\n"
        '    """Delays in seconds between attempts, doubling up to `cap`."""\n'
        "    return [min(cap, first * 2**n) for n in range(attempts - 1)]\n"
    ),
)
_CODE_OPENINGS = (
    "Here is a small version that does what you describe:",
    "This should do it, with no dependencies:",
    "I would write it like this:",
)


def sentences(prompt: str, dice: random.Random) -> Iterator[str]:
    """Pieces of an answer to ``prompt``, without end; the first few make a whole answer."""
    asked = _without_asides(prompt)
    gap = " "
    if _is_greeting(asked):
        yield dice.choice(_GREETINGS)
    elif _CODE_WORDS.search(asked):
        snippet = dice.choice(_SNIPPETS).format(name="_".join(topic_words(asked)))
        yield f"{dice.choice(_CODE_OPENINGS)}\n\n```python\n{snippet}```"
        gap = "\n\n"
    else:
        yield dice.choice(_OPENINGS).format(topic=" ".join(topic_words(asked)))
    while True:
        for sentence in dice.sample(_SENTENCES, len(_SENTENCES)):
            yield f"{gap}{sentence}"
            gap = " "


def answer_pieces(prompt: str, dice: random.Random) -> int:
    """How many pieces make a whole answer: a greeting stands alone."""
    return 1 if _is_greeting(_without_asides(prompt)) else dice.randint(3, 6)


def _is_greeting(asked: str) -> bool:
    return bool(_GREETING.search(asked)) and not _CODE_WORDS.search(asked)


def _without_asides(prompt: str) -> str:
    """The prompt without what editors add in tags, unless all of it is in tags."""
    return _ASIDE.sub("", prompt).strip() or prompt


def topic_words(prompt: str) -> list[str]:
    """The two longest telling words of ``prompt``, in their order."""
    words = [word.lower() for word in _WORD.findall(prompt)]
    telling = list(dict.fromkeys(word for word in words if word not in _DULL))
    longest = sorted(telling, key=len, reverse=True)[:2]
    return [word for word in telling if word in longest] or ["the", "question"]


def json_for(schema: Json, prompt: str, dice: random.Random) -> str:
    """A compact JSON document that ``schema`` accepts, filled from ``prompt`` where it can be."""
    value = _instance(schema, prompt, dice)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _instance(schema: Json, prompt: str, dice: random.Random) -> Any:  # noqa: ANN401 - any JSON
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return dice.choice(schema["enum"])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties") or {}
        return {key: _instance(inner, prompt, dice) for key, inner in properties.items()}
    if kind == "array":
        return [_instance(schema.get("items") or {}, prompt, dice)]
    return _phrase(prompt) if kind == "string" else _SCALARS.get(kind)


_SCALARS = {"integer": 1, "number": 1.0, "boolean": True}


def _phrase(prompt: str) -> str:
    """The part of ``prompt`` most likely meant: something quoted, else a name, else its topic."""
    quoted = re.search(r"[\"'`]([^\"'`\n]{1,80})[\"'`]", prompt)
    named = re.search(r"\b(?:in|for|of|to|at) ([A-Z][\w-]+(?: [A-Z][\w-]+)?)", prompt)
    found = quoted or named
    return found.group(1) if found else " ".join(topic_words(prompt))
