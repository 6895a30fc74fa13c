from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from podman_llm.core.catalog import Catalog, DataCenter


def test_a_catalog_is_a_value() -> None:
    one = Catalog((), (), "2026-11-20", None, ("note",))
    assert one == Catalog((), (), "2026-11-20", None, ("note",))
    with pytest.raises(FrozenInstanceError):
        DataCenter("EU-RO-1", "LOW").availability = "HIGH"  # type: ignore[misc] # that is the test
