"""Moves of a chat stream as the events of a Messages stream."""

from __future__ import annotations

import json
from typing import Final

from podman_llm.core.chat_answer import Ending, Kind, Origin
from podman_llm.core.chat_reader import Began, Ended, More, Move
from podman_llm.core.messages_answer import block, message, stop_reason, tokens

# For each kind the type of its deltas, and the field of the text in them.
_DELTAS: Final = {
    Kind.THOUGHT: ("thinking_delta", "thinking"),
    Kind.TEXT: ("text_delta", "text"),
    Kind.REFUSAL: ("text_delta", "text"),
    Kind.CALL: ("input_json_delta", "partial_json"),
}


class MessagesTeller:
    """Tells one answer."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._is_refused = False

    def begin(self) -> bytes:
        """What comes before everything else. The usage is not known yet."""
        return _event("message_start", message=message(self._origin, [], None, None))

    def tell(self, move: Move) -> bytes:
        """The event that a move makes."""
        section = move.section
        match move:
            case Began():
                self._is_refused |= section.kind is Kind.REFUSAL
                begun = block(section)
                return _event("content_block_start", index=section.number, content_block=begun)
            case More(said=said):
                kind, field = _DELTAS[section.kind]
                delta = {"type": kind, field: said}
                return _event("content_block_delta", index=section.number, delta=delta)
            case Ended():
                return _event("content_block_stop", index=section.number)

    def end(self, ending: Ending) -> bytes:
        """What comes after everything else."""
        stop = stop_reason(ending, is_refused=self._is_refused)
        delta = {"stop_reason": stop, "stop_sequence": None}
        last = _event("message_delta", delta=delta, usage=tokens(ending.usage))
        return last + _event("message_stop")


def _event(name: str, /, **fields: object) -> bytes:
    said = json.dumps({"type": name, **fields}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {said}\n\n".encode("utf-8", "replace")
