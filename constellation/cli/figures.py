"""Where the time of a constellation went, for people: `show --metrics`."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from constellation.graph.metrics import Metrics
from constellation.telling.text import duration

from .render import plain_table


def figures(metrics: Metrics) -> list[RenderableType]:
    """A summary, the critical path and the use of the devices; only that nothing has run, if so."""
    if not metrics.critical_path:
        return ["Nothing has run yet."]
    summary = plain_table("", "")
    for name, value in (
        ("From the first start to the last end", duration(metrics.makespan_s)),
        ("Work, all attempts together", duration(metrics.work_s)),
        ("Longest chain of tasks", duration(metrics.span_s)),
        ("At once, on average", f"{metrics.parallelism:.2f}"),
        ("At once, at most", str(metrics.max_width)),
        ("Tasks for each level of the graph", f"{metrics.average_width:.2f}"),
    ):
        summary.add_row(name, value)
    summary.show_header = False
    begin = metrics.critical_path[0].started_at
    path = plain_table("Critical path", "Device", "Started", "Time")
    for step in metrics.critical_path:
        started = f"+{duration(step.started_at - begin)}"
        took = duration(step.finished_at - step.started_at)
        path.add_row(Text(step.task), Text(step.device or ""), started, took)
    devices = plain_table("Device", "Busy", "Share")
    for name, seconds in metrics.device_busy_s.items():
        devices.add_row(Text(name), duration(seconds), f"{metrics.device_share[name]:.0%}")
    return [summary, "", path, "", devices]
