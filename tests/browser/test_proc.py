"""What the page says of /proc is what /proc says, of a process of the test's own that the real tap sees."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import IO

import pytest
from waiting import wait_until

from .conftest import Open, Start
from .dashboard import Dashboard, decimal, whole

SOURCE = Path(__file__).parent / "at_rest.c"
GROWTHS = 4  # one may fall into the moment at which memtap itself looks at /proc and heals
MB = 1 << 20


def test_the_difference_to_proc_is_what_proc_says(tmp_path: Path, start: Start, open_dashboard: Open) -> None:
    program = tmp_path / "at_rest"
    subprocess.run(["cc", "-O1", "-o", program, SOURCE], check=True)
    product = start("run", "--tap", "bpftrace", "--store", f"duckdb://{tmp_path / 'live.duckdb'}")
    dashboard = open_dashboard(product)
    dashboard.processes.rows.first.wait_for()
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.read(1) == b"\n"
        dashboard.page.get_by_label("Find name or PID").fill(str(process.pid))
        row = dashboard.processes.row("at rest")
        row.wait_for()
        row.click()

        def agrees() -> bool:
            others_call()
            return shown(dashboard) == (vm_of(process.pid), 0)

        wait_until(agrees)
        growths = (differs_once_grown(dashboard, process.pid, process.stdin, process.stdout) for _ in range(GROWTHS))
        assert any(growths)
        wait_until(agrees)  # memtap has looked, and what it says of the process is healed
        process.stdin.close()


def differs_once_grown(dashboard: Dashboard, pid: int, orders: IO[bytes], done: IO[bytes]) -> bool:
    """Make the process's stack grow. Whether the page told of it before memtap had healed it."""
    orders.write(b"\n")
    assert done.read(1) == b"\n"
    outcome: list[bool] = []

    def is_told() -> bool:
        others_call()
        vm, difference = shown(dashboard)
        is_so = vm_of(pid)
        if is_so - vm > MB and difference == pytest.approx(is_so - vm, abs=0.0051 * MB):
            outcome.append(True)
        elif (vm, difference) == (is_so, 0):
            outcome.append(False)
        return bool(outcome)

    wait_until(is_told)
    return outcome[0]


def others_call() -> None:
    """The page asks again when calls have come: on an idle machine nobody else makes one."""
    subprocess.run(["true"], check=True)


def vm_of(pid: int) -> int:
    """Bytes, as /proc says."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmSize:"))


def shown(dashboard: Dashboard) -> tuple[int, float]:
    """(vm, difference to /proc) of the selected process: bytes, the former to the byte."""
    vm, text = dashboard.page.locator("memtap-process").evaluate(
        """process => [process.querySelector("[data-fact=vm] dd").title,
             process.querySelector("[data-fact=proc]:not([hidden]) dd")?.textContent ?? ""]"""
    )
    if not vm or not text:
        return -1, -1
    if text == "none":
        return whole(vm), 0
    number, unit = text.split("\u00a0")
    assert unit == "MB"
    return whole(vm), decimal(number.replace("+", "")) * MB
