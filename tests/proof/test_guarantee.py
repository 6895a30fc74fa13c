"""What ``docs/guarantee.md`` says of the proof is what the proof does."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podman_llm.config.models import Settings
from tests.proof import explorer
from tests.proof.explorer import FAMILIES, GUARD_SLACK, QUARANTINE, SLACK
from tests.proof.machine import INVARIANTS
from tests.proof.mutants import MUTANTS

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "guarantee.md").read_text(encoding="utf-8")
STEPS = [*(f"S{number}" for number in range(12)), *(f"T{number}" for number in range(1, 6))]


def rows(title: str) -> Iterator[list[str]]:
    """The cells of the table in the section of that title, without its head."""
    section = PAGE.split(f"# {title}\n")[1].split("\n#")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    for line in table[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_each_step_of_the_kill_table_has_its_tests_and_each_of_them_exists() -> None:
    found = list(rows("Kill table"))
    assert list(dict.fromkeys(step for step, _, _ in found)) == STEPS
    named = [test.strip("`") for _, _, test in found]
    files = sorted({test.split("::")[0] for test in named})
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [test for test in named if test not in collected] == []


def test_each_mutant_is_listed_with_what_finds_it() -> None:
    assert list(rows("Mutants")) == [[mutant.name, mutant.breaks] for mutant in MUTANTS]
    assert f"\n{len(MUTANTS)} steps are taken out" in PAGE


def test_each_family_of_schedules_is_listed_with_its_count() -> None:
    listed = list(rows("What the explorer plays"))
    assert [title for title, _ in listed] == [family.title for family in FAMILIES]
    for (_, said), family in zip(listed, FAMILIES, strict=True):
        assert said.startswith(str(family.count or "each of over 1000"))


@pytest.mark.parametrize("number", range(1, 17))
def test_each_invariant_is_listed_with_where_it_is_checked(number: int) -> None:
    [(_, _, where)] = [row for row in rows("Invariants") if row[0] == f"I{number}"]
    source = Path(explorer.__file__).read_text(encoding="utf-8")
    assert ("explorer" in where) == (re.search(rf'"I{number} ', source) is not None)
    in_machine = any(name.startswith(f"i{number}_") for name in INVARIANTS)
    assert ("properties" in where) == (in_machine or number in {5, 12})
    for file in re.findall(r"`(tests/[a-z0-9_/]+\.py)`", where):
        assert (ROOT / file).exists()


def test_the_numbers_are_those_in_force() -> None:
    provider = Settings().provider
    assert provider.quarantine_seconds == QUARANTINE
    assert f"`provider.quarantine_seconds` ({QUARANTINE:.0f})" in PAGE
    assert f"more than {GUARD_SLACK:.0f} s" in PAGE
    assert f"up to {SLACK:.0f} s more where deletes fail" in PAGE
    assert f"up to {max(explorer.DELAYS):.0f} s at each death" in PAGE


def test_every_file_named_exists() -> None:
    for file in set(re.findall(r"`((?:tests|scripts)/[a-z0-9_/]+(?:\.py)?)`", PAGE)):
        assert (ROOT / file).exists(), file
    for link in re.findall(r"\]\(([a-z-]+\.md)\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
