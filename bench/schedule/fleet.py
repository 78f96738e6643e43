"""Devices that differ, and what goes wrong with them, by chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from .model import Accidents, Machine, Spell

# Name, type, speed beside a laptop, jobs at once, seconds of a message's way.
_USUAL = (
    ("phone", "android", 0.4, 1, 0.04),
    ("board", "linux-edge", 0.25, 1, 0.08),
    ("laptop", "windows", 1.0, 2, 0.008),
    ("old laptop", "windows", 0.6, 2, 0.012),
    ("desktop", "linux", 2.0, 2, 0.002),
    ("server", "linux-server", 3.0, 4, 0.015),
)
# The spread of the logarithm of how well a device does one kind of job beside another.
_AFFINITY = 0.35


def fleet(seed: int, kinds: Iterable[str]) -> list[Machine]:
    """Six devices that a person may have; how well each does a kind of job is drawn."""
    random = Random(f"fleet {seed}")
    names = sorted(set(kinds))
    machines = []
    for name, type, speed, capacity, delay_s in _USUAL:
        speeds = {kind: speed * random.lognormvariate(0.0, _AFFINITY) for kind in names}
        machines.append(Machine(name.replace(" ", "-"), type, capacity, speeds, delay_s))
    # Nobody should win because the best device happens to come first.
    random.shuffle(machines)
    return machines


CONDITIONS = ("calm", "stragglers", "outages", "a sick device", "elastic")


def accidents(condition: str, seed: int, machines: Sequence[Machine], span_s: float) -> Accidents:
    """What goes wrong.

    Args:
        condition: of `CONDITIONS`.
        span_s: about how long the work takes, by which the accidents are spread.
    """
    random = Random(f"{condition} {seed}")
    match condition:
        case "stragglers":
            return Accidents(straggling=0.05)
        case "outages":
            spells = []
            for machine in machines:
                if random.random() < 0.5:
                    begins = random.uniform(0.0, span_s)
                    lasts = random.uniform(0.1, 0.8) * span_s
                    spells.append(Spell(machine.name, begins, begins + lasts))
            return Accidents(outages=tuple(spells[: len(machines) - 1]))
        case "a sick device":
            begins = random.uniform(0.0, 0.3 * span_s)
            name = random.choice(machines).name
            return Accidents(sick=(Spell(name, begins, begins + span_s),))
        case "elastic":
            return _coming_and_going(random, machines, span_s)
    return Accidents()


def _coming_and_going(random: Random, machines: Sequence[Machine], span_s: float) -> Accidents:
    """Two machines stay; of the others, some come late, some go in order and some without a word.

    Whoever goes comes back, or a rule that names devices beforehand would never end.
    """
    absences, outages = [], []
    for machine in random.sample(list(machines), len(machines) - 2):
        begins = random.uniform(0.1, 1.0) * span_s
        ends = begins + random.uniform(0.2, 1.0) * span_s
        match random.choice(("comes late", "takes leave", "is gone")):
            case "comes late":
                absences.append(Spell(machine.name, 0.0, begins))
            case "takes leave":
                absences.append(Spell(machine.name, begins, ends))
            case _:
                outages.append(Spell(machine.name, begins, ends))
    return Accidents(outages=tuple(outages), absences=tuple(absences))
