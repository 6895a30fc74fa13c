"""The content of OpenAI messages as Converse blocks: text, images, cache points."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

from podman_llm.core.translation import Json, Untranslatable

_DATA_URL: Final = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,(.*)", re.DOTALL)
_CACHE_POINT: Final[Json] = {"cachePoint": {"type": "default"}}
# Thoughts are given back signed or not at all, and OpenAI's shape has no place for the signature.
_THOUGHTS: Final = frozenset({"reasoning", "redacted_thinking", "thinking"})


def blocks_of(content: object, where: str, *, has_cache_points: bool = False) -> list[Json]:
    """The blocks for the ``content`` of a message; blank text, which Bedrock refuses, is left out.

    Raises Untranslatable. ``where`` is the path of ``content`` in the request.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return list(_text(content))
    if not isinstance(content, list):
        raise Untranslatable(f"{where} is neither text nor a list of parts", param=where)
    blocks: list[Json] = []
    for index, part in enumerate(content):
        made = list(_part(part, f"{where}.{index}"))
        blocks += made
        if made and has_cache_points and isinstance(part, dict) and part.get("cache_control"):
            blocks.append(_CACHE_POINT)
    return blocks


def cache_point() -> Json:
    """The block after which what came before is to be remembered by Bedrock."""
    return dict(_CACHE_POINT)


def plain_text(content: object, where: str) -> str:
    """The text of a message; raises Untranslatable if there is anything else in it."""
    blocks = blocks_of(content, where)
    if any("text" not in block for block in blocks):
        raise Untranslatable(f"{where} must be text only", param=where)
    return "\n".join(block["text"] for block in blocks)


def has_images(content: object) -> bool:
    """Whether a message shows something."""
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and part.get("type") == "image_url" for part in parts)


def _part(part: object, where: str) -> Iterator[Json]:
    match part:
        case str() as text:
            yield from _text(text)
        case {"type": "text" | "input_text" | "output_text", "text": str() as text}:
            yield from _text(text)
        case {"type": "refusal", "refusal": str() as text}:
            yield from _text(text)
        case {"type": "image_url", "image_url": {"url": str() as url} | (str() as url)}:
            yield _image(url, f"{where}.image_url")
        case {"type": str() as kind} if kind in _THOUGHTS:
            return
        case _:
            what = part.get("type") if isinstance(part, dict) else type(part).__name__
            message = f"{where}: a part of type {what!r} cannot be sent to this model"
            raise Untranslatable(message, param=where)


def _text(text: str) -> Iterator[Json]:
    if text.strip():
        yield {"text": text}


def _image(url: str, where: str) -> Json:
    found = _DATA_URL.match(url)
    if found is None:
        told = "is not an image as data:image/(png|jpeg|gif|webp);base64,... URL"
        raise Untranslatable(f"{where} {told}; images are not fetched", param=where)
    kind, data = found.groups()
    try:
        base64.b64decode(data, validate=True)
    except ValueError as err:  # binascii.Error is one
        raise Untranslatable(f"{where} is not valid base64", param=where) from err
    return {"image": {"format": kind.replace("jpg", "jpeg"), "source": {"bytes": data}}}
