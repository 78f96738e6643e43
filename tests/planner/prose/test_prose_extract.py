"""A guide for people becomes a draft runbook, or it is said what of it could not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constellation.aip.cards import DeviceCard, SkillCard
from constellation.errors import PlanError
from constellation.graph.constellation import Constellation
from constellation.graph.edits import Batch
from constellation.planner.prose import Extraction, extract
from constellation.planner.runbook import Runbook, Step, lint, load
from constellation.planner.runbook.reader import MAX_CHARACTERS

GUIDE = Path(__file__).with_name("guide.md").read_text()
SHELL = SkillCard(name="shell.run")
CARDS = [DeviceCard(name=name, skills=(SHELL,)) for name in ("web", "db1", "desk")]


def drafted(text: str, **more: Any) -> Runbook:
    found = extract(text, **more)
    return load(found.text)


def steps(text: str, **more: Any) -> list[Step]:
    return list(drafted(text, **more).steps)


def commands(text: str) -> list[str]:
    found = extract(text).text
    return [step.arguments["command"] for step in load(found).steps] if found else []


def told(found: Extraction, code: str) -> list[tuple[int, int]]:
    """Where the findings of a code stand."""
    return [(each.line, each.column) for each in found.findings if each.code == code]


def test_a_whole_guide() -> None:
    found = extract(GUIDE, "guide.md")
    assert not [each for each in lint(found.text) if each.severity != "hint"]
    book = load(found.text)
    assert book.title == "The web site is down"
    by_id = {step.id: step for step in book.steps}
    assert list(by_id) == [
        "df-h",
        "free-m",
        "ss-ltn",
        "systemctl-status-nginx",
        "systemctl-restart-nginx",
        "journalctl-u-nginx-n-50",
        "rm-rf-var-cache-nginx",
        "du-sh-var-sort-h",
        "apt-get-clean",
        "kubectl-describe-pod-pod-name",
        "kubectl-delete-pod-pod-name",
    ]
    assert [step.id for step in book.steps if step.parallel] == ["free-m", "ss-ltn"]
    assert by_id["df-h"].on.requirement.device == "web-server"
    assert by_id["journalctl-u-nginx-n-50"].on.requirement.device == "web-1", "it stays there"
    assert told(found, "prose.place") == [(7, 1)]
    assert told(found, "prose.no-command") == [(23, 4)]
    assert told(found, "prose.forbidden") == [(24, 16)]
    assert told(found, "prose.decision") == [(26, 4)]
    assert told(found, "prose.writes") == [(15, 67), (22, 49), (31, 3), (34, 60)]
    assert all(each.remedy for each in found.findings)


def test_it_is_the_same_every_time() -> None:
    assert extract(GUIDE, "guide.md") == extract(GUIDE, "guide.md")


def tasks(book: Runbook, **inputs: Any) -> set[str]:
    """The tasks that these inputs leave."""
    graph = Constellation("c")
    graph.apply(Batch(book.plan({"pod_name": "p", **inputs}, CARDS).edits), 0.0)
    return set(graph.nodes)


def test_what_writes_waits_for_a_person_and_branches_for_a_decision() -> None:
    book = drafted(GUIDE)
    looks = {"df-h", "free-m", "ss-ltn", "systemctl-status-nginx", "journalctl-u-nginx-n-50"}
    assert tasks(book) == looks
    assert tasks(book, the_disk_is_full="yes") == looks | {"du-sh-var-sort-h"}
    assert tasks(book, the_disk_is_full="no") == looks | {"kubectl-describe-pod-pod-name"}
    allowed = tasks(book, allow_apt_get_clean=True, allow_systemctl_restart_nginx=True)
    assert allowed == looks | {"systemctl-restart-nginx"}


def test_a_placeholder_is_an_input_that_no_shell_reads() -> None:
    (step,) = steps('Run `kubectl logs <pod-name> -n "<name space>"`.')
    assert step.arguments["command"] == 'kubectl logs "${POD_NAME}" -n "${NAME_SPACE}"'
    assert step.arguments["env"] == {
        "POD_NAME": "${inputs.pod_name}",
        "NAME_SPACE": "${inputs.name_space}",
    }
    found = extract("Run `grep '<word>' log`.")
    assert told(found, "prose.placeholder") == [(1, 6)]


def test_text_that_looks_like_a_reference_of_ours_stays_text() -> None:
    (step,) = steps("```sh\necho ${HOME} ${inputs.x}\n```")
    assert step.arguments["command"] == "echo ${HOME} $${inputs.x}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Run `ls`.", ["ls"]),
        ("Run `ls` and then `df -h`, `free`.", ["ls", "df -h", "free"]),
        ("- `uptime`: how long it runs", ["uptime"]),
        ("Check with `df -h` whether it is full.", ["df -h"]),
        ("Run `frobnicate --now`.", ["frobnicate --now"]),
        ("The file `nginx.conf` and `ls` are mentioned here.", []),
        ("See `nginx.conf`.", []),
        ("- See the setting `worker_processes 4`", []),
        ("Do not run `rm -rf /`. Run `ls` instead of `reboot`.", ["ls"]),
        ("Never do this:\n\n```sh\nrm -rf /\n```", []),
        ("Do not do any of these:\n\n- run `reboot`\n- run `halt`", []),
        ("```console\n$ ls\na b\n$ df\n```", ["ls", "df"]),
        ("```console\nroot@db:~$ cd /tmp\n$ ls\n```", ["cd /tmp\nls"]),
        ("```sh\nls\n# more\ndf\n```", ["ls\n# more\ndf"]),
        ("```\nName: x\n```", []),
        ("Run:\n\n```\nmake check\n```", ["make check"]),
        ("The output looks like this:\n\n```sh\nrm: no such file\n```", []),
        ("```python\nprint()\n```", []),
        ("1. Run `ls`.\n\n   It looks like:\n\n   ```sh\n   a\n   ```", ["ls"]),
        ("> Run `ls`.", ["ls"]),
        ("<!-- Run `ls`. -->\n<!--\nRun `df`.\n-->\n\nRun `w`.", ["w"]),
        ("---\ntitle: Run `ls`\n---\nRun `df`.", ["df"]),
        ("| run | `ls` |", []),
        ("## Run `df -h`\n\nProse.", ["df -h"]),
        ("Run `ls\n-l` there.", ["ls -l"]),
        ("Never delete files in `pg_wal` by hand. Run `ls`.", ["ls"]),
        ("- [ ] Run `ls`", ["ls"]),
        ("~~~bash\nls\n~~~", ["ls"]),
    ],
)
def test_which_commands_are_found(text: str, expected: list[str]) -> None:
    assert commands(text) == expected


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("On host db1, run `ls`.", "db1"),
        ("On `db1` run `ls`.", "db1"),
        ("Run `ls` on the web server.", "web"),
        ("Run `ls` on desk.", "desk"),
        ("Log in to db1 and run `ls`.", "db1"),
        ("## On the machine desk\n\n- Run `ls`.", "desk"),
        ("On host db1:\n\n```sh\nls\n```", "db1"),
        ("Run `ls` on failure.", None),
        ("Run `ls` on port 80.", None),
        ("On `db1` run `df`.\n\nRun `ls`.", None),
    ],
)
def test_where(text: str, device: str | None) -> None:
    assert steps(text, cards=CARDS)[-1].on.requirement.device == device
    assert steps(text, cards=CARDS, on="x")[-1].on.requirement.device == (device or "x")


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("Run `ls` on db1 and on desk.", ["db1", "desk"]),
        ("On db1, desk and `web`, run `ls`.", ["db1", "desk", "web"]),
        ("Run `ls` on db1 as well as web-2.", ["db1", "web-2"]),
        ("Run `ls` on host db1 and then look.", ["db1"]),
        ("Run `ls` on db1 and look on desk.", ["db1"]),
    ],
)
def test_several_places(text: str, devices: list[str]) -> None:
    (step,) = steps(text, cards=CARDS)
    assert (list(step.on.names) or [step.on.requirement.device]) == devices


def test_a_condition_before_a_block_does_not_reach_the_list_below_it() -> None:
    text = "If it rains:\n\n```sh\nls a\n```\n\n1. Run `ls b`.\n2. Run `ls c`."
    assert [step.condition for step in steps(text)] == ["inputs.it_rains == 'yes'", "", ""]


def test_every_machine() -> None:
    (step,) = steps("On all servers, run `uptime`.")
    assert step.on.every


def test_a_place_that_is_no_device_is_told() -> None:
    found = extract("Run `ls` on the mail server.", cards=CARDS)
    assert load(found.text).steps[0].on.requirement.device == "mail-server"
    assert told(found, "prose.place") == [(1, 1)]
    assert not told(extract("Run `ls` on the web server.", cards=CARDS), "prose.place")


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        ("If it fails,", "a.state == 'failed'"),
        ("If the command succeeds,", "a.state == 'completed'"),
        ("If nothing is printed,", "a.output.stdout == ''"),
        ("If the output contains `it's`,", r"'it\'s' in a.output.stdout"),
        ('If it says "no space", then', "'no space' in a.output.stdout"),
        ("If you feel like it,", "inputs.you_feel_like_it == 'yes'"),
        ("If `df` shows 100%,", "inputs.df_shows_100 == 'yes'"),
    ],
)
def test_conditions(words: str, condition: str) -> None:
    first, second = steps(f"# T\n\n1. Run `cat a`.\n2. {words} run `cat b`.")
    assert second.condition == condition.replace("a.", "cat-a.")
    assert first.optional is ("inputs" not in condition)


def test_a_condition_after_its_command() -> None:
    (step,) = steps("Run `ls` if the moon is full.")
    assert step.condition == "inputs.the_moon_is_full == 'yes'"


def test_how_far_a_condition_reaches() -> None:
    text = "If it rains, run `ls a`. Then run `ls b`. Run `ls c`. Otherwise, run `ls d`."
    assert [step.condition for step in steps(text)] == [
        "inputs.it_rains == 'yes'",
        "inputs.it_rains == 'yes'",
        "",
        "inputs.it_rains == 'no'",
    ]


def test_the_other_branch_of_a_result() -> None:
    found = steps("1. Run `ls a`.\n2. If it fails, run `ls b`.\n3. Otherwise run `ls c`.")
    assert [step.condition for step in found] == [
        "",
        "ls-a.state == 'failed'",
        "ls-a.state == 'completed'",
    ]


def test_a_paragraph_within_an_item_speaks_of_that_item_alone() -> None:
    found = steps("1. One.\n\n   If it rains:\n\n   ```sh\n   ls a\n   ```\n\n2. Run `ls b`.")
    assert [step.condition for step in found] == ["inputs.it_rains == 'yes'", ""]


def test_conditions_of_headings_and_items_add_up() -> None:
    (step,) = steps("## If it rains\n\n- If it is cold:\n\n  ```sh\n  ls\n  ```")
    assert step.condition == "inputs.it_rains == 'yes' and inputs.it_is_cold == 'yes'"


@pytest.mark.parametrize(
    ("text", "parallel"),
    [
        ("- Run `ls`.\n- Run `df`.\n- Run `w`.", [False, True, True]),
        ("1. Run `ls`.\n2. Run `df`.", [False, False]),
        ("In parallel:\n\n1. Run `ls`.\n2. Run `df`.", [False, True]),
        ("At the same time:\n\n- Run `touch a`.\n- Run `df`.", [False, True]),
        ("- Run `ls`.\n- Run `touch a`.", [False, False]),
        ("- Run `ls` and `w`.\n- Run `df`.", [False, False, False]),
        ("- Run `ls`.\n- If it fails, run `df`.", [False, False]),
        ("- Run `ls`.\n\nThen:\n\n- Run `df`.", [False, False]),
        ("- Run `ls`.\n  - Run `w`.\n- Run `df`.", [False, False, False]),
        ("Run `ls`. At the same time, run `df`.", [False, True]),
        ("Run `ls`.\n\nMeanwhile, run `touch a`. Then run `w`.", [False, True, False]),
        (
            "1. Run `ls`.\n2. In parallel, check the rest: `df -h`.\n3. Run `w`.",
            [False, True, False],
        ),
        ("Run `ls` and, at the same time, `df`, then `w`.", [False, True, False]),
        ("Run `ls`, `df` and `w` in parallel.", [False, True, True]),
        ("Run `w`. Simultaneously, run `ls` and `df`.", [False, False, True]),
        ("Run `ls` at once. Run `df`.", [False, False]),
        ("Run `ls`. Meanwhile, if it fails, run `df`.", [False, False]),
        ("Meanwhile, run `ls`.", [False]),
    ],
)
def test_what_starts_together(text: str, parallel: list[bool]) -> None:
    assert [step.parallel for step in steps(text)] == parallel


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("Run `ls`. Restart it (`systemctl restart x`).", "prose.mentioned", (1, 24)),
        ("Run `ls`. If it is slow, go to [Slow](#slow).", "prose.elsewhere", (1, 11)),
        ("Run `ls`. Also run " + "`w` and " * 300, "prose.long", (1, 11)),
        ("Run `ls`. It prints:\n\n```sh\na b\n```", "prose.sample", (4, 1)),
    ],
)
def test_nothing_is_left_out_in_silence(text: str, code: str, place: tuple[int, int]) -> None:
    found = extract(text)
    assert told(found, code) == [place]
    assert len(load(found.text).steps) == 1


def test_when_done_is_no_condition() -> None:
    assert steps("When done, run `ls`.")[0].condition == ""


def test_a_guide_without_commands_says_so() -> None:
    found = extract("# Be kind\n\n- Smile.")
    assert found.text == ""
    assert told(found, "prose.nothing") == [(1, 1)]
    assert told(found, "prose.no-command") == [(3, 3)]


def test_a_block_that_may_be_a_command_is_told() -> None:
    found = extract("Run `ls`.\n\n   ```powershell\nGet-Item\n```")
    assert len(told(found, "prose.block")) == 1


def test_too_much_is_refused() -> None:
    with pytest.raises(PlanError, match="more than"):
        extract("x" * (MAX_CHARACTERS + 1))
    found = extract("\n\n".join(f"Run `ls {n}`." for n in range(501)))
    assert len(load(found.text).steps) == 500
    assert told(found, "prose.steps") == [(1001, 6)]


# ── whatever a guide says ───────────────────────────────────────────────────────────────────────

# fmt: off
fragments = st.sampled_from([
    "# ", "## ", "- ", "1. ", "  ", "\n", "\n\n", "```sh\n", "```\n", "`", "If ", ", ", "run ",
    "Run `ls`.", "Run `rm -rf /`.", "`df -h`", "otherwise ", "If it fails, ", "on db1 ", "On `x`",
    "not ", "in parallel: ", "<pod>", "`echo ${a.output}`", "'", '"', "and", "true", ": ", "$ ls\n",
    "\x00", "é", "\u2028", "|", "> ", "<!--", "-->", "---\n", "the output contains `'`", "\t",
    "\r\n", "If ${inputs.x}, run `w`.",
])
# fmt: on


@given(st.lists(fragments | st.text(max_size=5), max_size=40).map("".join))
def test_whatever_it_says_the_draft_can_be_planned_and_writes_nothing(text: str) -> None:
    found = extract(text)
    assert all(each.line >= 1 and each.column >= 1 for each in found.findings)
    if found.text:
        assert not [each for each in lint(found.text) if each.severity == "error"], found.text
        book = load(found.text)
        required = {name: "x" for name, each in book.inputs.items() if each.required}
        graph = Constellation("c")
        graph.apply(Batch(book.plan(required, CARDS).edits), 0.0)
        assert not [
            node for node in graph.nodes.values() if "rm -rf" in node.task.arguments["command"]
        ]
