from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.converse_content import blocks_of, has_images, plain_text
from podman_llm.core.translation import Untranslatable
from tests.core.converse_rules import PNG


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        (None, []),
        ("", []),
        (" \n", []),
        (" two words ", [{"text": " two words "}]),
        ([{"type": "text", "text": "a"}, "b"], [{"text": "a"}, {"text": "b"}]),
        ([{"type": "text", "text": ""}], []),
        ([{"type": "refusal", "refusal": "no"}], [{"text": "no"}]),
        ([{"type": "thinking", "thinking": "hm", "signature": "x"}], []),
        (
            [image(f"data:image/jpg;base64,{PNG}")],
            [{"image": {"format": "jpeg", "source": {"bytes": PNG}}}],
        ),
        (
            [{"type": "image_url", "image_url": f"data:image/webp;base64,{PNG}"}],
            [{"image": {"format": "webp", "source": {"bytes": PNG}}}],
        ),
    ],
)
def test_content_becomes_blocks(content: Any, blocks: list[Any]) -> None:
    assert blocks_of(content, "messages.0.content") == blocks


@pytest.mark.parametrize(
    ("content", "param", "told"),
    [
        (7, "c", "neither text nor"),
        ([7], "c.0", "'int'"),
        ([{"type": "input_audio"}], "c.0", "'input_audio'"),
        ([{"type": "text", "text": 7}], "c.0", "'text'"),
        ([image("https://example.com/a.png")], "c.0.image_url", "not fetched"),
        ([image("data:image/bmp;base64,AAAA")], "c.0.image_url", "png"),
        ([image("data:image/png;base64,%%%")], "c.0.image_url", "base64"),
    ],
)
def test_what_has_no_counterpart_is_named(content: Any, param: str, told: str) -> None:
    with pytest.raises(Untranslatable, match=told) as caught:
        blocks_of(content, "c")
    assert caught.value.param == param


def test_cache_points_follow_the_parts_marked_where_the_model_takes_them() -> None:
    parts = [
        {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": " ", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "short"},
    ]
    point = {"cachePoint": {"type": "default"}}
    assert blocks_of(parts, "c", has_cache_points=True) == [
        {"text": "long"},
        point,
        {"text": "short"},
    ]
    assert blocks_of(parts, "c") == [{"text": "long"}, {"text": "short"}]


def test_plain_text_is_text_only() -> None:
    assert plain_text(["a", "b"], "c") == "a\nb"
    with pytest.raises(Untranslatable):
        plain_text([image(f"data:image/png;base64,{PNG}")], "c")


def test_images_are_seen() -> None:
    assert has_images([image("x")])
    assert not has_images("image_url")
