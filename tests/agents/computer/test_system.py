"""`system.*` on this machine."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from agents.computer import system
from agents.testing import Trial

pytestmark = pytest.mark.anyio


async def test_info(trial: Trial) -> None:
    info = await trial.run(system.info)
    assert info["platform"] == platform.system().lower()
    assert info["hostname"] == platform.node()
    assert info["cpus"] >= 1
    assert 0 <= info["load_percent"] <= 100
    assert info["uptime_s"] > 0


async def test_disks(trial: Trial) -> None:
    disks = await trial.run(system.disks)
    assert disks["disks"], "there is always one"
    for disk in disks["disks"]:
        assert disk["total_bytes"] >= disk["used_bytes"]
    fullest = max(disks["disks"], key=lambda disk: disk["percent"])
    assert (disks["percent"], disks["fullest"]) == (fullest["percent"], fullest["mount"])
    assert disks["free_bytes"] == sum(disk["free_bytes"] for disk in disks["disks"])


async def test_memory(trial: Trial) -> None:
    memory = await trial.run(system.memory)
    assert 0 < memory["available_bytes"] <= memory["total_bytes"]
    assert 0 < memory["percent"] <= 100


async def test_processes(trial: Trial) -> None:
    listed = await trial.run(
        system.processes, name=Path(sys.executable).name, sort="memory", top=500
    )
    mine = next(row for row in listed["processes"] if row["pid"] == os.getpid())
    assert mine["memory_bytes"] > 0
    sizes = [row["memory_bytes"] for row in listed["processes"]]
    assert sizes == sorted(sizes, reverse=True)
    few = await trial.run(system.processes, top=2)
    assert len(few["processes"]) == 2
    assert few["count"] >= 2
    assert (await trial.run(system.processes, name="no such process"))["count"] == 0


async def test_network(trial: Trial) -> None:
    network = await trial.run(system.network)
    loopback = [each for each in network["interfaces"] if each["name"].startswith("lo")]
    assert loopback[0]["addresses"][0]["address"] == "127.0.0.1"
    assert "127.0.0.1" not in network["addresses"]


async def test_battery(trial: Trial) -> None:
    battery = await trial.run(system.battery)
    if battery["present"]:
        assert 0 <= battery["percent"] <= 100
    else:
        assert battery == {
            "present": False,
            "percent": None,
            "charging": None,
            "remaining_s": None,
        }
