"""What can be set of the scheduler machine; every field has a default that suits a few devices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits and waits of a scheduler.

    Attributes:
        grace_s: how long work on a device that is out of reach is waited for.
        timeout_slack_s: added to a task's timeout before the hub ends an attempt by itself; the
            device, which knows better when it began, gets to say so first.
        stop_s: how long a canceled attempt keeps its place on a device that does not confirm.
        max_losses: how often a task that may be repeated is queued again after losing its device.
        max_constellations: how many may be open at once.
        max_tasks: how many tasks one of them may have.
        max_lost_devices: how many devices that are gone are kept for people to see.
        no_device_fail_s: how long a task waits while no device could ever run it, before it fails;
            None waits until its deadline.
        racing: whether a straggling task that may be repeated is tried on a second device as well.
        race_samples: how many durations of a skill on a device must be known before that.
        race_spread: how many standard deviations above the mean an attempt is called a straggler.
        race_min_s: no attempt is raced before it has run for so long.
        shared_resources: whether other schedulers may use the same exclusive resources, so that
            each use has to be asked for.
        turn_s: a resource that was granted and that no device could use yet is given back then.
        stream_lag: how many items a task may be ahead of the slowest that reads what it puts out;
            0 where nothing can flow: then readers wait for its output.
        gang_port, gang_ports: the members of a gang meet on a port of this range: the first, and
            how many.
        quarantine_after: failures in a row, blamed on the device, that put it into quarantine;
            half as many mark it as degraded.
        quarantine_s: how long the first quarantine lasts; each further one in a row doubles it.
        quarantine_max_s: upper bound of that.
    """

    grace_s: float = 30.0
    timeout_slack_s: float = 5.0
    stop_s: float = 30.0
    max_losses: int = 3
    max_constellations: int = 1_000
    max_tasks: int = 200_000
    max_lost_devices: int = 256
    no_device_fail_s: float | None = None
    racing: bool = True
    race_samples: int = 8
    race_spread: float = 4.0
    race_min_s: float = 1.0
    shared_resources: bool = False
    turn_s: float = 5.0
    stream_lag: int = 16
    gang_port: int = 29_500
    gang_ports: int = 2_000
    quarantine_after: int = 6
    quarantine_s: float = 15.0
    quarantine_max_s: float = 600.0
