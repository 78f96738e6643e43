"""What runbooks become: tasks, devices, dependencies, and how they run."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
from planner_running import FAILS, Run
from planner_shapes import shape

from constellation.aip.cards import DeviceCard
from constellation.errors import PlanError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import AddTask, Batch
from constellation.graph.task import TaskState
from constellation.planner.ports import Plan
from constellation.planner.runbook import load

Cards = tuple[DeviceCard, ...]

NOT_FAILED = "state == 'completed' or state == 'canceled'"


def _plan(text: str, cards: Cards | None = None, **inputs: Any) -> Plan:
    plan = load(dedent(text)).plan(inputs, cards)
    Constellation("c").apply(Batch(plan.edits), 0.0)
    return plan


def _shape(text: str, cards: Cards | None = None, **inputs: Any) -> list[str]:
    return shape(_plan(text, cards, **inputs))


def _refusal(text: str, cards: Cards | None = None, **inputs: Any) -> str:
    with pytest.raises(PlanError) as caught:
        _plan(text, cards, **inputs)
    return caught.value.message


def _edges(text: str, cards: Cards | None = None, **inputs: Any) -> list[str]:
    return [line for line in _shape(text, cards, **inputs) if " = " not in line]


# ── order ───────────────────────────────────────────────────────────────────────────────────────


def test_steps_run_from_top_to_bottom() -> None:
    assert _edges("steps: [{id: a, run: x}, {id: b, run: x}, {id: c, run: x}]") == [
        "a -> b",
        "b -> c",
    ]


def test_parallel_steps_start_together_and_are_waited_for() -> None:
    text = """
        steps:
          - {id: a, run: x}
          - {id: b, run: x}
          - {id: c, run: x, parallel: true}
          - {id: d, run: x}
    """
    assert _edges(text) == ["a -> b", "a -> c", "b -> d", "c -> d"]


def test_needs_say_exactly_what_is_waited_for() -> None:
    text = """
        steps:
          - {id: a, run: x}
          - {id: b, run: x, needs: []}
          - {id: c, run: x, needs: [{step: a, when: failure}, {step: b, when: completion}]}
          - {id: d, run: x, needs: {step: a, when: output.exit_code == 0}}
    """
    assert _edges(text) == [
        "a -[failure]-> c",
        "b -[completion]-> c",
        "a -[output.exit_code == 0]-> d",
    ]


def test_a_step_may_need_one_that_stands_below_it() -> None:
    assert _shape("steps: [{id: a, run: x, needs: b}, {id: b, run: x, needs: []}]") == [
        'b = shell.run @any command="x"',
        'a = shell.run @any command="x"',
        "b -> a",
    ]


def test_results_that_are_used_are_waited_for() -> None:
    text = """
        steps:
          - {id: a, skill: http.get, with: {url: u}}
          - {id: b, run: x, needs: []}
          - {id: c, skill: files.write, needs: [b], with: {path: p, content: "${a.output.body}"}}
    """
    assert _edges(text) == ["b -> c", "a -> c"]


def test_a_skipped_step_does_not_stop_what_stands_below_it() -> None:
    text = """
        steps:
          - {id: disks, skill: system.disks}
          - {id: clean, run: x, if: disks.output.percent > 80}
          - {id: report, run: y}
    """
    assert _edges(text) == [
        "disks -[output.percent > 80]-> clean",
        f"clean -[{NOT_FAILED}]-> report",
        "disks -> report",
    ]
    plan = _plan(text)
    assert Run(plan, {"disks": {"percent": 10}}).ran == ["disks", "report"]
    assert Run(plan, {"disks": {"percent": 90}}).ran == ["disks", "clean", "report"]
    assert Run(plan, {"disks": {"percent": 90}, "clean": FAILS}).ran == ["disks", "clean"]
    assert Run(plan, {"disks": FAILS}).ran == ["disks"]


def test_an_optional_step_may_fail() -> None:
    plan = _plan("steps: [{id: a, run: x, optional: true}, {id: b, run: y}]")
    run = Run(plan, {"a": FAILS})
    assert run.ran == ["a", "b"]
    assert run.state is TaskState.COMPLETED


# ── conditions ──────────────────────────────────────────────────────────────────────────────────


def test_a_condition_may_leave_the_step_out_and_mean_the_one_above() -> None:
    assert _edges("steps: [{id: a, run: x}, {id: b, run: y, if: output.exit_code != 0}]") == [
        "a -[output.exit_code != 0]-> b"
    ]


def test_conditions_on_several_steps_become_one_edge_each() -> None:
    text = """
        inputs: {limit: 80, word: "it's"}
        steps:
          - {id: a, run: x}
          - {id: b, run: x, parallel: true}
          - id: c
            run: y
            if: ${a.output.percent} > inputs.limit and inputs.word in b.output.stdout
                and a.state == 'completed'
    """
    assert _edges(text) == [
        "a -[(output.percent > 80) and (state == 'completed')]-> c",
        'b -["it\'s" in output.stdout]-> c',
    ]


@pytest.mark.parametrize(("target", "ran"), [("prod", ["a", "b", "c"]), ("test", ["a", "c"])])
def test_a_condition_on_inputs_is_decided_at_once(target: str, ran: list[str]) -> None:
    text = """
        inputs: {target: prod}
        steps:
          - {id: a, run: x}
          - {id: b, run: x, if: inputs.target == 'prod'}
          - {id: c, run: x}
    """
    assert Run(_plan(text, target=target)).ran == ran


def test_what_needs_a_step_that_is_left_out_is_left_out_too() -> None:
    text = """
        inputs: {deploy: false}
        steps:
          - {id: a, run: x, if: inputs.deploy}
          - {id: b, run: x, needs: a}
          - {id: c, run: "echo ${a.output.stdout}", needs: []}
          - {id: d, run: x, needs: {step: a, when: completion}}
    """
    plan = _plan(text)
    assert [edit.task.id for edit in plan.edits if isinstance(edit, AddTask)] == ["d"]
    assert len(plan.notes) == 3


def test_a_condition_that_cannot_be_decided_is_refused() -> None:
    text = """
        inputs: {a: 1, b: x, c: {default: {x: 1}}}
        steps:
          - {id: first, run: x}
          - {id: s, run: x, if: inputs.a > inputs.b}
    """
    assert "runbook.yaml:5:21: " in _refusal(text)
    assert "refused" in _refusal(text.replace("inputs.a > inputs.b", "output.x == inputs.c"))


# ── devices ─────────────────────────────────────────────────────────────────────────────────────


def test_all_makes_a_task_for_each_device_that_fits(cards: Cards) -> None:
    text = "steps: [{id: disks, skill: system.disks, on: {all: true, platform: linux}}]"
    assert _shape(text, cards) == [
        "disks-desk = system.disks @desk",
        "disks-server = system.disks @server",
    ]
    assert "no devices are known" in _refusal(text)
    assert "runbook.yaml:1:42: " in _refusal(text.replace("linux", "windows"), cards)
    assert "fits none" in _refusal(text.replace("system.disks", "no.such"), cards)


def test_a_result_of_several_devices_is_a_mapping_or_lines(cards: Cards) -> None:
    text = """
        steps:
          - {id: d, skill: system.disks, on: [desk, laptop]}
          - skill: files.write
            id: w
            with: {path: p, content: "${d.output}", note: "All: ${d.output.percent}!"}
    """
    plan = _plan(text, cards)
    run = Run(plan, {"d-desk": {"percent": 1}, "d-laptop": {"percent": 2}})
    assert run.arguments["w"] == {
        "path": "p",
        "content": {"desk": {"percent": 1}, "laptop": {"percent": 2}},
        "note": "All: desk: 1\nlaptop: 2!",
    }


def test_one_task_of_several_has_a_name_of_its_own(cards: Cards) -> None:
    text = """
        steps:
          - {id: d, skill: system.disks, on: all}
          - {id: w, run: "echo ${d-desk.output.percent}", if: d-server.output.percent > 80}
    """
    edges = _edges(text, cards)
    assert "d-server -[output.percent > 80]-> w" in edges
    assert "d-desk -> w" in edges
    assert "has no such task" in _refusal(text.replace("d-desk", "d-moon"), cards)


def test_conditions_and_needs_pair_tasks_by_device(cards: Cards) -> None:
    text = """
        steps:
          - {id: d, skill: system.disks, on: [desk, server]}
          - id: c
            run: "clean ${d.output.percent}"
            on: [desk, server]
            needs: {step: d, same_device: true, when: output.percent > 80}
    """
    assert _shape(text, cards)[2:] == [
        "c-desk = shell.run @desk command=<d-desk.output.percent>",
        "c-server = shell.run @server command=<d-server.output.percent>",
        "d-desk -[output.percent > 80]-> c-desk",
        "d-server -[output.percent > 80]-> c-server",
    ]
    elsewhere = text.replace("on: [desk, server]\n", "on: laptop\n")
    assert "no such task" in _refusal(elsewhere, cards)


def test_two_steps_may_not_make_the_same_task(cards: Cards) -> None:
    text = "steps: [{id: d, run: x, on: [desk]}, {id: d-desk, run: x}]"
    assert "both make a task 'd-desk'" in _refusal(text, cards)


# ── lists ───────────────────────────────────────────────────────────────────────────────────────


def test_a_list_known_now_becomes_a_task_for_each_element() -> None:
    text = """
        inputs: {hosts: [{name: a}, {name: b}]}
        steps:
          - {id: p, run: "ping ${item.name} # ${index}", for_each: "${inputs.hosts}"}
          - {id: q, skill: s, with: {all: "${p.output.exit_code}"}}
    """
    assert _shape(text) == [
        'p-0 = shell.run @any command="ping a # 0"',
        'p-1 = shell.run @any command="ping b # 1"',
        "q = s @any all=<p-0.output.exit_code, p-1.output.exit_code>",
        "p-0 -> q",
        "p-1 -> q",
    ]
    assert _edges(text, hosts=[]) == []
    assert "leads nowhere" in _refusal(text, hosts=[{}])
    assert _shape("steps: [{id: p, run: 'x ${item}', for_each: [1, 2]}]") == [
        'p-0 = shell.run @any command="x 1"',
        'p-1 = shell.run @any command="x 2"',
    ]


def test_a_list_that_a_result_reveals_is_left_to_the_graph() -> None:
    text = """
        steps:
          - {id: find, skill: files.list}
          - {id: read, skill: s, for_each: "${find.output.entries}", with: {path: "${item}"}}
    """
    plan = _plan(text)
    tasks = [edit.task for edit in plan.edits if isinstance(edit, AddTask)]
    assert tasks[1].for_each == "${find.output.entries}"
    assert tasks[1].arguments == {"path": "${item}"}
    assert _edges(text) == ["find -> read"]


def test_a_list_must_be_one_list(cards: Cards) -> None:
    text = """
        inputs: {n: 3}
        steps:
          - {id: find, skill: files.list, on: [desk, server]}
          - {id: read, run: "cat ${item}", for_each: "${find.output.entries}"}
    """
    assert "has 2 tasks" in _refusal(text, cards)
    assert "is not a list" in _refusal(text.replace("${find.output.entries}", "${inputs.n}"), cards)


# ── inputs ──────────────────────────────────────────────────────────────────────────────────────

INPUTS = """
    inputs:
      url: {type: string, description: where}
      port: {type: integer, default: 80}
      deep: {type: object, default: {a: [x, y]}}
      mode: {choices: [fast, safe], default: fast}
    steps:
      - id: s
        skill: s
        with: {u: "${inputs.url}:${inputs.port}", p: "${inputs.port}", d: "${inputs.deep.a[1]}",
               all: "got ${inputs.deep}"}
"""


def test_inputs_keep_their_type_alone_and_become_text_inside_text() -> None:
    assert Run(_plan(INPUTS, url="u")).arguments["s"] == {
        "u": "u:80",
        "p": 80,
        "d": "y",
        "all": 'got {"a": ["x", "y"]}',
    }


def test_text_from_a_command_line_becomes_what_the_input_takes() -> None:
    arguments = Run(_plan(INPUTS, url="u", port="8080", deep='{"a": [1, 2]}')).arguments["s"]
    assert (arguments["p"], arguments["d"]) == (8080, 2)


def test_wrong_inputs_are_told_all_at_once() -> None:
    message = _refusal(INPUTS, port="many", mode="slow", pot=1)
    for part in ("'pot'", "'url' is missing", "not of type integer: 'many'", "'slow'"):
        assert part in message


def test_what_an_input_holds_is_never_a_reference() -> None:
    arguments = Run(_plan(INPUTS, url="${s.output} $${x}")).arguments["s"]
    assert arguments["u"] == "${s.output} $${x}:80"


def test_a_shell_command_keeps_its_own_variables() -> None:
    run = Run(_plan("steps: [{id: a, run: 'echo ${HOME} $${PATH} ${x:-y}'}]"))
    assert run.arguments["a"]["command"] == "echo ${HOME} ${PATH} ${x:-y}"


def test_the_same_runbook_gives_the_same_plan(cards: Cards) -> None:
    text = "steps: [{id: a, run: x, on: all}, {id: b, run: '${a.output}', on: all}]"
    assert _plan(text, cards) == _plan(text, cards)


def test_an_error_can_be_told_by_the_step_that_handles_it() -> None:
    text = """
        steps:
          - {id: a, run: x}
          - {id: b, run: "echo ${a.error.message}", needs: {step: a, when: failure}}
          - {id: c, run: "echo ${a.state} ${a.output.stdout}", needs: {step: a, when: completion}}
          - {id: d, run: "echo ${a.state}", needs: []}
    """
    assert _edges(text) == ["a -[failure]-> b", "a -[completion]-> c", "a -[completion]-> d"]
    run = Run(_plan(text.replace(" ${a.output.stdout}", "")), {"a": FAILS})
    assert run.arguments["b"]["command"] == "echo It failed."
    assert run.arguments["c"]["command"] == "echo failed"


def test_a_step_that_reads_along_waits_for_the_stream() -> None:
    text = """
steps:
  - {id: follow, skill: log.follow}
  - {id: count, skill: log.count, with: {lines: "${follow.items}"}}
  - id: tell
    skill: log.count
    with: {lines: "${count.items}"}
    needs: [{step: count, when: stream}]
"""
    graph = Constellation("c")
    graph.apply(Batch(_plan(text).edits), 0.0)
    assert graph.predecessors("count")["follow"].condition == "stream"
    assert graph.predecessors("tell")["count"].condition == "stream"
    assert graph.nodes["count"].task.arguments == {"lines": "${follow.items}"}
