from __future__ import annotations

import pytest

from podman_llm.core.embedding_models import Maker, embedding_model


@pytest.mark.parametrize(
    ("model_id", "maker", "sizes", "may_be_raw"),
    [
        ("amazon.titan-embed-text-v2:0", Maker.TITAN, "1024, 512 or 256", True),
        ("amazon.titan-embed-text-v1", Maker.TITAN, "1536", False),
        ("amazon.titan-embed-g1-text-02", Maker.TITAN, "1536", False),
        ("cohere.embed-english-v3", Maker.COHERE, "1024", False),
        ("cohere.embed-multilingual-v3", Maker.COHERE, "1024", False),
        ("us.cohere.embed-v4:0", Maker.COHERE, "1536, 1024, 512 or 256", False),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0",
            Maker.TITAN,
            "1024, 512 or 256",
            True,
        ),
    ],
)
def test_what_an_id_tells(model_id: str, maker: Maker, sizes: str, may_be_raw: bool) -> None:
    model = embedding_model(model_id)
    assert model is not None
    assert (model.id, model.maker, model.told_sizes) == (model_id, maker, sizes)
    assert model.may_be_raw is may_be_raw


@pytest.mark.parametrize(
    "model_id",
    ["", "amazon.nova-lite-v1:0", "amazon.titan-embed-image-v1", "cohere.command-r-v1:0"],
)
def test_others_make_no_vectors_that_we_know_of(model_id: str) -> None:
    assert embedding_model(model_id) is None
