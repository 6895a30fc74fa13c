"""A person's machine and a made-up cloud, for each test its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.editor import Editor
from tests.e2e.machine import Cloud, Machine, free_port, renting


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    home = tmp_path / "person"
    home.mkdir()
    machine = Machine(home, free_port())
    yield machine
    machine.end()


@pytest.fixture
def editor(machine: Machine) -> Editor:
    return Editor(machine)


@pytest.fixture
def cloud(machine: Machine) -> Iterator[Cloud]:
    """A RunPod whose pods boot within a blink, and a machine configured to rent there."""
    with renting(machine) as cloud:
        yield cloud
