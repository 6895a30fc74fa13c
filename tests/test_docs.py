"""The guides: every configuration they show is valid, every link leads somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from podman_llm.config.models import Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = [(page.name, block) for page in PAGES for block in FENCE.findall(page.read_text("utf-8"))]


@pytest.mark.parametrize(("page", "block"), SHOWN)
def test_every_configuration_shown_is_valid(page: str, block: str) -> None:
    document = json.loads(block)
    if "Statement" not in document:  # an IAM policy is Amazon's to judge
        Settings.model_validate(document)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
