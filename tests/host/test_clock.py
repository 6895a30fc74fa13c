from __future__ import annotations

import subprocess
import sys
import time

from podman_llm.host.clock import SystemClock


def test_wall_is_utc_and_the_others_never_go_back() -> None:
    clock = SystemClock()
    before = (clock.monotonic(), clock.reading().boottime)
    clock.sleep(0.01)
    after = (clock.monotonic(), clock.reading().boottime)
    assert all(later - sooner >= 0.01 for sooner, later in zip(before, after, strict=True))
    assert abs(clock.wall() - time.time()) < 5


def test_a_reading_is_of_this_boot_in_every_process() -> None:
    code = (
        "from podman_llm.host.clock import SystemClock as C;"
        "r = C().reading(); print(r.boot_id, r.boottime)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    boot_id, boottime = told.stdout.split()
    here = SystemClock().reading()
    assert boot_id == here.boot_id
    assert 0 <= here.boottime - float(boottime) < 60
