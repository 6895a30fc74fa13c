from __future__ import annotations

import json
from pathlib import Path

import pytest

from podman_llm.bootstrap import provider
from podman_llm.cli.context import Context
from podman_llm.cli.plan import show_plan
from podman_llm.config.models import BudgetSettings, Settings
from podman_llm.errors import RefusedByCap
from podman_llm.pods.planning import Plan
from tests.samples import CANDIDATE, SPEC


@pytest.fixture(autouse=True)
def _planned(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(SPEC, (CANDIDATE,), (("NVIDIA A40 SECURE", "sold out"),))
    monkeypatch.setattr(provider, "plan_only", lambda *_: plan)


def test_the_order_the_price_and_the_end_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_plan(Context(state_dir=tmp_path), Settings(runtime_seconds=7200), as_json=False)
    out = capsys.readouterr().out
    assert "2h 00m at most, boot included" in out
    assert "1 x L4" in out
    assert "$0.44/h" in out
    assert "sold out" not in out
    assert "Nothing was rented" in out


def test_verbose_tells_what_was_ruled_out_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_plan(Context(state_dir=tmp_path, verbose=True), Settings(), as_json=False)
    assert "not NVIDIA A40 SECURE: sold out" in capsys.readouterr().out


def test_json_has_it_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(Context(state_dir=tmp_path), Settings(), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["candidates"][0]["gpu_id"] == "NVIDIA L4"
    assert shown["excluded"] == [{"what": "NVIDIA A40 SECURE", "why": "sold out"}]


def test_what_a_budget_does_not_pay_is_refused_as_up_would_refuse_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = Context(state_dir=tmp_path)
    with pytest.raises(RefusedByCap, match=r"less than the .* a pod may need to boot"):
        show_plan(context, Settings(budget=BudgetSettings(max_usd_total=0.001)), as_json=False)
    assert not capsys.readouterr().out
    show_plan(context, Settings(budget=BudgetSettings(max_usd_total=5)), as_json=False)
    assert "1 x L4" in capsys.readouterr().out
