from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.bootstrap import worker
from podman_llm.config.models import Settings
from podman_llm.errors import ConfigError
from tests.bootstrap.loads import loaded_by


def test_a_worker_loads_no_library_of_the_control_plane_s() -> None:
    assert loaded_by("podman_llm.bootstrap.worker") == {"aiohttp", "diskcache"}


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text("no certificate")
    key.write_text("no key")
    with pytest.raises(ConfigError, match=r"cert\.pem"):
        worker._tls(Settings(use_https=True, ssl_cert=cert, ssl_key=key))
