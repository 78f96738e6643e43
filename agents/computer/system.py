"""`system.*`: what this device is and how it does."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
from pydantic import Field
from typing_extensions import TypedDict

from ..skills import skill

# Mounts that hold no files of a person: a squashfs image is always full, for instance.
_NO_DISKS = frozenset({"squashfs", "overlay", "tmpfs", "devtmpfs", "iso9660", "autofs"})
_MEASURE_S = 0.2

Percent = Annotated[float, Field(ge=0, description="Percent in use, 0 to 100.")]


class Info(TypedDict):
    hostname: str
    platform: Annotated[str, Field(description="linux, darwin, windows, …")]
    release: Annotated[str, Field(description="Version of the operating system's kernel.")]
    system: Annotated[str, Field(description="Name and version of the operating system.")]
    architecture: str
    cpus: Annotated[int, Field(description="Number of logical processors.")]
    load_percent: Annotated[float, Field(description="How busy the processors are, 0 to 100.")]
    load_average: Annotated[list[float], Field(description="Over 1, 5 and 15 minutes.")]
    memory_bytes: Annotated[int, Field(description="Memory in all.")]
    memory_percent: Annotated[float, Field(description="How much of the memory is in use.")]
    uptime_s: Annotated[float, Field(description="Seconds since it was started.")]
    booted_s: Annotated[float, Field(description="When it was started, Unix time.")]
    users: Annotated[list[str], Field(description="Who is logged in.")]


class Disk(TypedDict):
    mount: Annotated[str, Field(description="Where it is found in the file system.")]
    device: str
    type: Annotated[str, Field(description="Type of the file system.")]
    total_bytes: int
    used_bytes: int
    free_bytes: int
    percent: Percent


class Disks(TypedDict):
    disks: list[Disk]
    percent: Annotated[float, Field(description="How full the fullest disk is, 0 to 100.")]
    fullest: Annotated[str, Field(description="Mount of the fullest disk.")]
    free_bytes: Annotated[int, Field(description="Free space on all disks.")]
    total_bytes: Annotated[int, Field(description="Space on all disks.")]


class Memory(TypedDict):
    total_bytes: int
    used_bytes: int
    available_bytes: Annotated[int, Field(description="What programs can still get.")]
    percent: Percent
    swap_total_bytes: int
    swap_used_bytes: int
    swap_percent: float


class ProcessRow(TypedDict):
    pid: int
    name: str
    user: str
    cpu_percent: Annotated[float, Field(description="Of one processor.")]
    memory_bytes: int
    memory_percent: float
    started_s: Annotated[float, Field(description="Unix time.")]
    command: Annotated[str, Field(description="Program and arguments, at most 200 characters.")]


class Processes(TypedDict):
    processes: Annotated[list[ProcessRow], Field(description="The greatest users first.")]
    count: Annotated[int, Field(description="How many matched in all.")]


class Address(TypedDict):
    family: Literal["ipv4", "ipv6"]
    address: str
    netmask: str


class Interface(TypedDict):
    name: str
    up: bool
    speed_mbps: int
    mac: str
    addresses: list[Address]
    sent_bytes: int
    received_bytes: int


class Network(TypedDict):
    hostname: str
    interfaces: list[Interface]
    addresses: Annotated[list[str], Field(description="IP addresses, loopback left out.")]
    sent_bytes: int
    received_bytes: int


class Battery(TypedDict):
    present: Annotated[bool, Field(description="False if this device has no battery.")]
    percent: Annotated[float | None, Field(description="Charge, 0 to 100.")]
    charging: Annotated[bool | None, Field(description="True while it is plugged in.")]
    remaining_s: Annotated[float | None, Field(description="Seconds until it is empty.")]


@skill(
    "system.info",
    effect="read",
    examples=(
        "show the system information",
        "what system is this",
        "how long has it been up",
        "check the CPU load",
    ),
)
def info() -> Info:
    """Tell the operating system, the hostname, the CPU and its load, and the uptime."""
    memory = psutil.virtual_memory()
    booted = psutil.boot_time()
    return Info(
        hostname=socket.gethostname(),
        platform=platform.system().lower(),
        release=platform.release(),
        system=_system_name(),
        architecture=platform.machine(),
        cpus=psutil.cpu_count() or 1,
        load_percent=psutil.cpu_percent(interval=_MEASURE_S),
        load_average=[round(each, 2) for each in psutil.getloadavg()],
        memory_bytes=memory.total,
        memory_percent=memory.percent,
        uptime_s=round(time.time() - booted, 1),
        booted_s=booted,
        users=sorted({user.name for user in psutil.users()}),
    )


@skill(
    "system.disks",
    effect="read",
    examples=(
        "check the disk space",
        "how much disk space is free",
        "how full are the disks",
        "show the storage usage",
    ),
)
def disks() -> Disks:
    """Tell how full the disks are: space used and free on each."""
    found = [_disk(each) for each in _partitions()]
    fullest = max(found, key=lambda disk: disk["percent"])
    return Disks(
        disks=found,
        percent=fullest["percent"],
        fullest=fullest["mount"],
        free_bytes=sum(disk["free_bytes"] for disk in found),
        total_bytes=sum(disk["total_bytes"] for disk in found),
    )


@skill(
    "system.memory",
    effect="read",
    examples=("check the memory", "how much RAM is free", "show the memory usage"),
)
def memory() -> Memory:
    """Tell how much memory (RAM) and swap is used and free."""
    main, swap = psutil.virtual_memory(), psutil.swap_memory()
    return Memory(
        total_bytes=main.total,
        used_bytes=main.used,
        available_bytes=main.available,
        percent=main.percent,
        swap_total_bytes=swap.total,
        swap_used_bytes=swap.used,
        swap_percent=swap.percent,
    )


@skill(
    "system.processes",
    effect="read",
    examples=(
        "which processes are running",
        "show the top 5 processes",
        "list the processes that use the most memory",
        "is the process nginx running",
    ),
)
def processes(
    top: Annotated[int, Field(gt=0, le=1000)] = 10,
    name: str = "",
    sort: Literal["cpu", "memory"] = "cpu",
) -> Processes:
    """List the running processes, the busiest first.

    Args:
        top: how many to list.
        name: only those whose name or command holds this text.
        sort: by cpu or by memory.
    """
    if sort == "cpu":
        # The first reading of a process starts its measure.
        deque(psutil.process_iter(["cpu_percent"]), maxlen=0)
        time.sleep(_MEASURE_S)
    rows = [_row(process.info) for process in psutil.process_iter(_COLUMNS)]
    rows = [row for row in rows if name.lower() in f"{row['name']} {row['command']}".lower()]
    rows.sort(
        key=lambda row: (-row["cpu_percent" if sort == "cpu" else "memory_bytes"], row["pid"])
    )
    return Processes(processes=rows[:top], count=len(rows))


@skill(
    "system.network",
    effect="read",
    examples=("show the network interfaces", "what is the IP address", "how much was sent"),
)
def network() -> Network:
    """List the network interfaces with their IP addresses and traffic."""
    states, traffic = psutil.net_if_stats(), psutil.net_io_counters(pernic=True)
    interfaces = [
        _interface(name, addresses, states.get(name), traffic.get(name))
        for name, addresses in sorted(psutil.net_if_addrs().items())
    ]
    return Network(
        hostname=socket.gethostname(),
        interfaces=interfaces,
        addresses=[
            address["address"]
            for interface in interfaces
            for address in interface["addresses"]
            if not address["address"].startswith(("127.", "::1", "fe80:"))
        ],
        sent_bytes=sum(interface["sent_bytes"] for interface in interfaces),
        received_bytes=sum(interface["received_bytes"] for interface in interfaces),
    )


@skill(
    "system.battery",
    effect="read",
    examples=("check the battery", "how much battery is left", "is the laptop charging"),
)
def battery() -> Battery:
    """Tell the charge of the battery and whether it is charging."""
    # psutil has no such function on systems without batteries.
    read = getattr(psutil, "sensors_battery", None)
    found = read() if read is not None else None
    if found is None:
        return Battery(present=False, percent=None, charging=None, remaining_s=None)
    left = float(found.secsleft) if found.secsleft > 0 else None
    return Battery(
        present=True,
        percent=round(found.percent, 1),
        charging=found.power_plugged,
        remaining_s=left,
    )


# ── helpers ─────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = [
    "pid",
    "name",
    "username",
    "cpu_percent",
    "memory_info",
    "memory_percent",
    "create_time",
    "cmdline",
]


def _system_name() -> str:
    with suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{platform.system()} {platform.release()}"


def _partitions() -> list[tuple[str, str, str]]:
    """Mount, device and type of each disk, each device once; the root file system at least."""
    found: dict[str, tuple[str, str, str]] = {}
    for each in psutil.disk_partitions(all=False):
        if each.fstype not in _NO_DISKS and Path(each.mountpoint).is_dir():
            found.setdefault(each.device, (each.mountpoint, each.device, each.fstype))
    return list(found.values()) or [(os.sep, "", "")]


def _disk(partition: tuple[str, str, str]) -> Disk:
    mount, device, kind = partition
    usage = psutil.disk_usage(mount)
    return Disk(
        mount=mount,
        device=device,
        type=kind,
        total_bytes=usage.total,
        used_bytes=usage.used,
        free_bytes=usage.free,
        percent=usage.percent,
    )


def _row(info: dict[str, Any]) -> ProcessRow:
    """A process as psutil tells it; what we may not see of it is None there."""
    memory = info["memory_info"]
    return ProcessRow(
        pid=info["pid"],
        name=info["name"] or "",
        user=info["username"] or "",
        cpu_percent=info["cpu_percent"] or 0.0,
        memory_bytes=memory.rss if memory else 0,
        memory_percent=round(info["memory_percent"] or 0.0, 2),
        started_s=info["create_time"] or 0.0,
        command=" ".join(info["cmdline"] or ())[:200],
    )


def _interface(name: str, addresses: Any, state: Any, traffic: Any) -> Interface:
    families: dict[int, Literal["ipv4", "ipv6"]] = {
        socket.AF_INET: "ipv4",
        socket.AF_INET6: "ipv6",
    }
    return Interface(
        name=name,
        up=bool(state and state.isup),
        speed_mbps=state.speed if state else 0,
        mac=next((each.address for each in addresses if each.family == psutil.AF_LINK), ""),
        addresses=[
            Address(
                family=families[each.family],
                address=each.address.partition("%")[0],
                netmask=each.netmask or "",
            )
            for each in addresses
            if each.family in families
        ],
        sent_bytes=traffic.bytes_sent if traffic else 0,
        received_bytes=traffic.bytes_recv if traffic else 0,
    )
