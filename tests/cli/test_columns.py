from __future__ import annotations

import pytest

from podman_llm.cli.columns import show_table
from podman_llm.cli.context import Context


class Watched(Context):
    @property
    def is_terminal(self) -> bool:
        return True


ROWS = [("a", "1"), ("b", "2")]


def test_in_a_pipe_columns_are_separated_by_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(Context(), ("Name", "N"), ROWS)
    assert capsys.readouterr().out == "Name\tN\na\t1\nb\t2\n"


def test_on_a_terminal_they_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(Watched(), ("Name", "N"), ROWS)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["Name", "N"], ["a", "1"], ["b", "2"],
    ]  # fmt: skip


WIDE = [("an-id-to-be-copied", "A name with words in it", "$1.49/h")]


@pytest.mark.parametrize(
    ("columns", "shown", "said"),
    [
        (60, ["Id", "Name", "Price"], ""),
        (30, ["Id", "Price"], "Left out to fit 30 columns: Name."),
        (20, ["Id"], "Left out to fit 20 columns: Name, Price."),
    ],
)
def test_a_narrow_terminal_does_without_what_is_spare(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
    shown: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    show_table(Watched(), ("Id", "Name", "Price"), WIDE, spare=("Name", "Price"))
    out, err = capsys.readouterr()
    headings, row = out.splitlines()  # nothing is wrapped
    assert headings.split() == shown
    assert row.startswith("an-id-to-be-copied")
    assert err.strip() == said


def test_nothing_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(Context(), ("Name",), [])
    assert capsys.readouterr().out == ""
