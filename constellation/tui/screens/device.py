"""One device: its card, its load and link, its skills, what it works on."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static

from constellation.aip.cards import SkillCard
from constellation.graph.node import Node
from constellation.telling.text import clean, duration, plural
from constellation.telling.values import measured, one_line
from constellation.tui.look import (
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    label,
    meter,
    presence,
    symbol,
    took,
)
from constellation.tui.model.devices import DeviceRow
from constellation.tui.model.run import Run
from constellation.tui.widgets.rows import Column, Rows

from .view import View

TASKS = (
    Column("", 1),
    Column("Works on", share=2),
    Column("Constellation", share=2, needs=60),
    Column("Time", 11, justify="right"),
)
SKILLS = (Column("Skill", 18), Column("Effect", 11), Column("What it does", share=1, needs=50))
EFFECTS = {"read": GREEN, "write": ORANGE, "dangerous": VERMILION}

Working = tuple[Run, Node]


class DeviceScreen(View):
    """Shows one device.

    Args:
        name: its name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._device = name

    @property
    def row(self) -> DeviceRow | None:
        """The device, if the hub knows it."""
        return self.face.fabric.devices.rows.get(self._device)

    def body(self) -> ComposeResult:
        with Horizontal(id="device-split"):
            with VerticalScroll(id="card", can_focus=False) as card:
                card.border_title = "Card"
                yield Static(id="card-text")
            tasks = Rows[Working](
                TASKS,
                self._cells,
                lambda each: (each[0].id, each[1].id),
                empty="It is idle.",
                id="device-tasks",
            )
            tasks.border_title = "Tasks"
            yield tasks
        skills = Rows[SkillCard](
            SKILLS, _skill, lambda skill: skill.name, empty="It has no skills.", id="skills"
        )
        skills.border_title = "Skills"
        yield skills

    def heading(self) -> Text:
        row = self.row
        if row is None:
            return Text(f"{self._device} is not known.")
        return Text.assemble((clean(row.name), "bold"), "  ", presence(row.presence))

    def paint(self) -> None:
        super().paint()
        row = self.row
        if row is None:
            return
        self.query_one("#card-text", Static).update(Text("\n").join(_card(row)))
        self.query_one("#device-tasks", Rows).show(list(self._working()))
        skills = () if row.card is None else row.card.skills
        self.query_one("#skills", Rows).show(skills)

    def _working(self) -> Iterator[Working]:
        for run, task in self.face.fabric.tasks_on(self._device):
            node = run.node(task)
            if node is not None:
                yield run, node

    def _cells(self, working: Working) -> list[Text | str]:
        run, node = working
        return [
            symbol(node.state),
            label(node),
            Text(one_line(run.summary.name), GREY),
            Text(took(node, self.face.now), GREY),
        ]

    @on(Rows.Chosen, "#device-tasks")
    def _open(self) -> None:
        rows = self.query_one("#device-tasks", Rows)
        if rows.current is not None:
            run, node = rows.current
            self.face.open_task(run, node.id)


def _card(row: DeviceRow) -> Iterator[Text]:
    busy = f" {len(row.running)} of {row.capacity}"
    yield Text.assemble(("Load      ", GREY), meter(row.load, 12), busy)
    link = "no session" if row.rtt_s is None else f"{duration(row.rtt_s)} round trip"
    yield Text.assemble(("Link      ", GREY), link)
    ill = row.unavailable and (f"It {clean(row.unavailable)}.", ORANGE)
    yield Text.assemble(("Health    ", GREY), ill or ("good", GREEN))
    card = row.card
    if card is None:
        return
    yield Text.assemble(("Platform  ", GREY), clean(f"{card.platform or '?'} ({card.kind})"))
    if card.description:
        yield Text(clean(card.description))
    for title, values in (("Labels", card.labels), ("Hardware", card.hardware)):
        if values:
            yield Text(f"\n{title}", f"bold {GREY}")
            for name, value in map(measured, values.items()):
                yield Text(f"{clean(str(name))}: {one_line(value)}")
    yield Text(f"\n{plural(len(card.skills), 'skill')}", GREY)


def _skill(skill: SkillCard) -> list[Text | str]:
    effect = Text(skill.effect, EFFECTS[skill.effect])
    return [clean(skill.name), effect, Text(one_line(skill.description), GREY)]
