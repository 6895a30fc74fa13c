"""``reap``: end pods past their deadline, from any host, with nothing but a key."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from podman_llm.cli.context import Context, pass_context
from podman_llm.errors import ConfigError, StateError, StillBilling
from podman_llm.state.desired import load_desired
from podman_llm.state.owner import load_owner
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import read_pod_state

if TYPE_CHECKING:
    from podman_llm.config.models import Settings
    from podman_llm.core.pod import PodRecord
    from podman_llm.pods.reaper import Finding, Home

_OWNER = re.compile("[a-z2-7]{6}")


def _owner_id(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> Any:  # noqa: ANN401 - click's callback shape
    for one in given:
        if not _OWNER.fullmatch(one):
            raise click.BadParameter(f"{one!r} is no owner id; it is the six letters after `pllm-`")
    return frozenset(given)


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be ended; touch nothing.")
@click.option(
    "--owner",
    "owners",
    multiple=True,
    callback=_owner_id,
    help="Whose pods: the six letters after `pllm-` in their names; may be given more than once."
    "  [that of the state directory]",
)
@click.option("--json", "json_", is_flag=True, help="The result as JSON.")
@pass_context
def reap(context: Context, /, *, dry_run: bool, owners: frozenset[str], json_: bool) -> None:
    """End pods past their deadline, and prove that they are gone.

    Needs no daemon and no state: owner and deadline are in a pod's name. Beside the state
    directory it also ends pods that have been in no record for a while. For cron, and for a second
    host: see docs/second-host.md.
    """
    from podman_llm.pods.reaper import Reaper

    # A demo that runs must not draw a timer's attention from the real pods.
    paths = context.paths() if context.demo else context.home()
    own = load_owner(paths)
    wanted = owners or (frozenset({own.id}) if own else _nobody(context, paths))
    if not wanted:
        _report(context, (), json_=json_)
        return
    settings = _settings(context, paths)
    quarantine = settings.provider.quarantine_seconds
    home = _home(paths, own.id, quarantine) if own and own.id in wanted else None
    reaper = Reaper(
        context.provider(settings), context.clock, settle=settings.provider.settle_seconds
    )
    findings = reaper.find(wanted, home)
    if not dry_run:
        findings = reaper.end(findings, home)
    _report(context, findings, json_=json_)
    if not dry_run:
        _complain(findings)


def _nobody(context: Context, paths: StatePaths) -> frozenset[str]:
    """No owner was named and none is known here.

    A timer beside a state directory may come before the first pod; anybody else forgot something.

    Raises:
        ConfigError: it is not certain that there never was a pod.
    """
    if context.state_dir is not None and not paths.pod_state.exists():
        return frozenset()
    raise ConfigError(
        f"whose pods to look for is not known: there is no owner.json in {paths.root}",
        hint="Name the owner with --owner: the six letters after `pllm-` in the pods' names.",
    )


def _settings(context: Context, paths: StatePaths) -> Settings:
    """Those of the pod that was asked for here, so that the same provider is asked."""
    from podman_llm.config.recall import recall

    desired = load_desired(paths)
    if desired is None:
        return context.load_settings().settings
    return recall(desired.settings, paths.desired)


def _home(paths: StatePaths, owner: str, quarantine: float) -> Home:
    from podman_llm.pods.reaper import Home

    return Home(owner, lambda: _record(paths), quarantine)


def _record(paths: StatePaths) -> PodRecord | None:
    """The record by which orphans are told.

    Raises:
        OrphansUnknown: nothing was ever recorded here, as beside a copied owner.json; or the
            record was lost, or a pod is being adopted, and the daemon takes over what lives.
    """
    from podman_llm.pods.reaper import OrphansUnknown

    try:
        state = read_pod_state(paths)
    except StateError as err:
        raise OrphansUnknown from err
    desired = load_desired(paths)
    is_adopting = desired is not None and desired.want == "up" and desired.adopt
    if state is None or state.is_rebuilding or is_adopting:
        raise OrphansUnknown
    return state.current


def _report(context: Context, findings: tuple[Finding, ...], *, json_: bool) -> None:
    if json_:
        context.emit_json({"pods": [asdict(one) for one in findings]})
        return
    for one in findings:
        fate = f"{one.fate.replace('_', ' ')}: {one.detail}" if one.detail else one.fate
        context.echo(f"{one.pod_id}  {one.name}  {one.why}  [{fate}]")
    if not findings:
        context.echo("Nothing to end: no pod of ours is past its deadline.")


def _complain(findings: tuple[Finding, ...]) -> None:
    """Name what may still bill.

    Raises:
        StillBilling: something may.
    """
    from podman_llm.pods.reaper import Fate

    left = [one for one in findings if one.fate is not Fate.ENDED]
    if left:
        named = "; ".join(f"pod {one.pod_id} ({one.detail or one.why})" for one in left)
        raise StillBilling(
            f"may still be billing: {named}",
            hint="Run it again, or end it at https://console.runpod.io/pods.",
        )
