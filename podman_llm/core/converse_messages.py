"""An OpenAI conversation as a Converse one.

Bedrock is strict where OpenAI's servers are not. Turns alternate, begin and end with the user;
every call has its result in the turn right after it, and no result is without its call. Clients cut
histories and abort calls, so what is missing is said to be missing instead of being refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from podman_llm.core.converse_content import blocks_of, plain_text
from podman_llm.core.converse_names import safe_id, safe_name
from podman_llm.core.translation import Json, Untranslatable

_OPENING: Final = "(The conversation begins.)"
_GO_ON: Final = "Continue."
_NO_OUTPUT: Final = "(no output)"
_NO_RESULT: Final = "(This call was not carried out.)"


def converse_messages(
    messages: Sequence[object], *, has_tools: bool, has_cache_points: bool
) -> tuple[list[Json], list[Json]]:
    """The system blocks and the turns; raises Untranslatable.

    ``has_tools``: whether the request offers tools. Where it does not, Bedrock would refuse a
    history with calls in it, and tools offered to please it might be called: the calls become text.
    """
    conversation = _Conversation(has_tools=has_tools, has_cache_points=has_cache_points)
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise Untranslatable(f"messages.{index} is not an object", param=f"messages.{index}")
        conversation.add(message, f"messages.{index}")
    return conversation.system, conversation.finish()


class _Conversation:
    """Turns as they are put together."""

    def __init__(self, *, has_tools: bool, has_cache_points: bool) -> None:
        self.system: list[Json] = []
        self._turns: list[Json] = []
        self._has_tools = has_tools
        self._has_cache_points = has_cache_points
        # Calls without a result yet: the client's id, and ours for each call that had it.
        self._open: dict[str, list[str]] = {}
        self._ids: set[str] = set()

    def add(self, message: Json, where: str) -> None:
        """One message of the request."""
        content, at = message.get("content"), f"{where}.content"
        match message.get("role"):
            case "system" | "developer":
                # Few models take these between turns; at the front all do.
                plain_text(content, at)
                self.system += self._blocks(content, at)
            case "user":
                self._say("user", self._blocks(content, at))
            case "assistant":
                made = self._calls(message, where)
                self._say("assistant", self._blocks(content, at) + [block for _, block in made])
                self._await_results(made)
            case "tool":
                self._say("user", self._result(message, where))
            case role:
                told = f"{where}.role is {role!r}; it is system, developer, user, assistant or tool"
                raise Untranslatable(told, param=f"{where}.role")

    def finish(self) -> list[Json]:
        """The turns, the last one being the user's."""
        self._settle()
        if not self._turns or self._turns[-1]["role"] == "assistant":
            self._say("user", [{"text": _GO_ON if self._turns else _OPENING}])
        return self._turns

    def _blocks(self, content: object, where: str) -> list[Json]:
        return blocks_of(content, where, has_cache_points=self._has_cache_points)

    def _say(self, role: str, blocks: list[Json]) -> None:
        if not blocks:
            return
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"] += blocks
            return
        if role == "assistant":
            self._settle()
            if not self._turns:
                self._turns.append({"role": "user", "content": [{"text": _OPENING}]})
        self._turns.append({"role": role, "content": blocks})

    def _calls(self, message: Json, where: str) -> list[tuple[str, Json]]:
        """The calls of a message, each with the client's id for it."""
        calls = message.get("tool_calls") or []
        made = []
        for index, call in enumerate(calls if isinstance(calls, list) else [calls]):
            match call:
                case {"id": str() as identity, "function": {"name": str() as name} as function}:
                    made.append((identity, self._call(identity, name, function.get("arguments"))))
                case _:
                    at = f"{where}.tool_calls.{index}"
                    raise Untranslatable(f"{at} is not a call of a function with id", param=at)
        return made

    def _call(self, identity: str, name: str, arguments: object) -> Json:
        if not self._has_tools:
            return {"text": f"[called the tool {name} with {arguments or '{}'}]"}
        ours = safe_id(identity, self._ids)
        self._ids.add(ours)
        use = {"toolUseId": ours, "name": safe_name(name), "input": call_input(arguments)}
        return {"toolUse": use}

    def _await_results(self, made: list[tuple[str, Json]]) -> None:
        for identity, block in made:
            if use := block.get("toolUse"):
                self._open.setdefault(identity, []).append(use["toolUseId"])

    def _result(self, message: Json, where: str) -> list[Json]:
        content = message.get("content")
        identity = message.get("tool_call_id")
        waiting = self._open.get(identity) if isinstance(identity, str) else None
        if not waiting:
            text = plain_text(content, f"{where}.content") or _NO_OUTPUT
            return [{"text": f"[a tool's result]\n{text}"}]
        blocks = blocks_of(content, f"{where}.content") or [{"text": _NO_OUTPUT}]
        return [{"toolResult": {"toolUseId": waiting.pop(0), "content": blocks}}]

    def _settle(self) -> None:
        """End the user's turn: results first, one for each call."""
        missing = [
            {
                "toolResult": {
                    "toolUseId": ours,
                    "content": [{"text": _NO_RESULT}],
                    "status": "error",
                }
            }
            for waiting in self._open.values()
            for ours in waiting
        ]
        self._open.clear()
        self._say("user", missing)
        if self._turns and self._turns[-1]["role"] == "user":
            self._turns[-1]["content"].sort(key=lambda block: "toolResult" not in block)


def call_input(arguments: object) -> Any:  # noqa: ANN401 - any JSON
    """The arguments of a call as an object; what a model wrote wrongly stays readable for it."""
    if isinstance(arguments, Mapping):
        return dict(arguments)
    text = arguments if isinstance(arguments, str) and arguments.strip() else "{}"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": text}
