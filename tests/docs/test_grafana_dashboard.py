"""The dashboard asks for metrics that a hub serves, by labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from constellation.orchestrator.metrics import metrics
from constellation.orchestrator.scheduler import Scheduler
from constellation.orchestrator.telemetry import Telemetry

PROJECT = Path(__file__).parents[2]
DASHBOARD = json.loads((PROJECT / "docs" / "grafana" / "constellation.json").read_text("utf-8"))


class Hub(Collector):
    """A hub that has nothing to do; each family has a sample, so that its name is served."""

    def collect(self) -> list[Metric]:
        counted = Telemetry().to_plain(Scheduler(), {})
        some = {"facts": "created", "tasks": "failed", "requeued": "lost", "sessions": "client"}
        for name, label in some.items():
            counted[name] = {label: 1}
        counted["model_tokens"] = counted["model_cost"] = {"planner": 1}
        device = {"running": 1, "unsecured_bytes": 0, "rtt_s": 0.01}
        return list(metrics({**counted, "devices": {"desk": device}}))


def served() -> str:
    registry = CollectorRegistry()
    registry.register(Hub())
    return generate_latest(registry).decode()


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_every_metric_is_one_that_a_hub_serves() -> None:
    known = set(re.findall(r"^(constellation_\w+)", served(), re.MULTILINE))
    asked = {name for each in expressions() for name in re.findall(r"constellation_\w+", each)}
    assert asked
    assert asked <= known


def test_what_is_told_apart_is_a_label() -> None:
    labels = {"le", *re.findall(r"[{,](\w+)=", served())}
    for each in expressions():
        for names in re.findall(r"by \(([\w, ]+)\)", each):
            assert set(names.split(", ")) <= labels


def test_each_panel_says_what_it_shows() -> None:
    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["targets"] for panel in DASHBOARD["panels"])
