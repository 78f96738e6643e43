"""The bench of the codec, at its smallest."""

from __future__ import annotations

from bench.codec import WAYS, run
from bench.harness import Options


def test_it_says_what_a_message_costs_each_way() -> None:
    report = run(Options(quick=True))
    assert 290 <= report.data["message_bytes"] <= 310
    assert (
        set(report.data["ways"])
        == set(WAYS)
        >= {
            "msgpack",
            "json",
            "pydantic + msgpack",
            "codec, msgpack",
            "sessions, msgpack",
        }
    )
    for batches in report.data["ways"].values():
        assert set(batches) == {"1", "64"}
        for cost in batches.values():
            assert cost["cpu_us"]["min"] <= cost["cpu_us"]["median"] <= cost["cpu_us"]["max"]
            assert cost["cpu_us"]["median"] > 0
    (table,) = report.tables
    assert table.row_count == len(WAYS)
