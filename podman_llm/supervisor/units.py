"""The systemd units: what they say on this machine, where they belong, whether they are there.

Their text is in ``podman_llm/systemd``, with one reason for each line. A person's own units and
those of the system differ in a fragment that is added to each service.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Final

from podman_llm.config.directories import user_config_dir

DAEMON: Final = "podman-llm.service"
SOCKET: Final = "podman-llm-proxy.socket"
TIMER: Final = "podman-llm-reap.timer"
ENABLED: Final = (SOCKET, DAEMON, TIMER)
"""What is to run from boot or login on; the other units are started by these."""

UNITS: Final = (*ENABLED, "podman-llm-reap.service", "podman-llm-notify@.service")
ON_FAILURE: Final = "podman-llm-notify@.service.d/command.conf"
"""A drop-in, so that installing again without naming the command keeps it."""

SYSTEM_HOME: Final = Path("/var/lib/podman-llm")
SYSTEM_KEY: Final = Path("/etc/podman-llm/runpod_api_key")
SYSUSERS: Final = Path("/etc/sysusers.d/podman-llm.conf")

_SYSTEM_UNITS: Final = Path("/etc/systemd/system")


class Scope(StrEnum):
    """Whose manager keeps the units."""

    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True)
class Site:
    """What the units have to know of this machine.

    ``python`` runs podman-llm; ``listen`` is the address as systemd writes it; ``key_file`` is what
    systemd passes on as a credential, None where the daemon reads its key itself or needs none.
    """

    python: Path
    state_dir: Path
    listen: str
    key_file: Path | None = None


def render(scope: Scope, site: Site) -> dict[str, str]:
    """File name to content, for every unit."""
    return {name: _unit(name, scope, site) for name in UNITS}


def on_failure(command: str) -> str:
    """The drop-in that runs ``command`` as well when a unit failed; ``%i`` in it is that unit."""
    return f"[Service]\nExecStart={command}\n"


def sysusers() -> str:
    """The account of a system install, as ``systemd-sysusers`` reads it."""
    return _text("podman-llm.sysusers")


def unit_dir(scope: Scope) -> Path:
    """Where an administrator's, or a person's, own units belong."""
    if scope is Scope.SYSTEM:
        return _SYSTEM_UNITS
    return user_config_dir().parent / "systemd" / "user"


def installed_scope(state_dir: Path) -> Scope | None:
    """Whose units look after this state directory; None if nobody's do."""
    for scope in Scope:
        try:
            text = (unit_dir(scope) / DAEMON).read_text(encoding="utf-8")
        except OSError:
            continue
        if f"--state-dir {_quoted(state_dir)}\n" in text:
            return scope
    return None


def listen_address(host: str, port: int) -> str:
    """A numeric address as ``ListenStream=`` takes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unit(name: str, scope: Scope, site: Site) -> str:
    text = _text(name)
    filled = {
        "@PYTHON@": _quoted(site.python),
        "@STATE_DIR@": _quoted(site.state_dir),
        "@LISTEN@": site.listen,
        "@WANTED_BY@": "multi-user.target" if scope is Scope.SYSTEM else "default.target",
        "@CREDENTIAL@": _credential(site.key_file),
    }
    for placeholder, value in filled.items():
        text = text.replace(placeholder, value)
    return text + _text(f"{scope}.conf") if name.endswith(".service") else text


def _credential(key_file: Path | None) -> str:
    if key_file is None:
        return "# No credential: the daemon reads a key file of its own account, if it needs a key."
    return (
        "# Read by systemd as root: the account itself cannot open the file.\n"
        f"LoadCredential=runpod_api_key:{key_file}"
    )


def _quoted(path: Path) -> str:
    """One word of a command line in a unit, whatever the path holds."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("%", "%%").replace("$", "$$") + '"'


def _text(name: str) -> str:
    return resources.files("podman_llm").joinpath("systemd", name).read_text("utf-8")
