"""The serving benchmark: what it takes for a right answer, and what it keeps."""

from collections import Counter, namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load import Measured
from benchmarks.serving_speed.disturbance import BEARABLE, TRIES, least_disturbed, stolen_share
from benchmarks.serving_speed.measurement import Round, best_of
from benchmarks.serving_speed.models import Rows
from benchmarks.serving_speed.requests import write_answer, write_requests
from benchmarks.serving_speed.results import Cell, Results, Spread, Turn
from benchmarks.serving_speed.server import Server
from benchmarks.serving_speed.servers import BY_NAME, LIMIT
from benchmarks.serving_speed.workload import FULL, Workload
from serving.protos import inference_pb2

PREDICT = Workload("m1", 2, "predict", "closed", 1)
ROWS = Rows(
    {"inputs": np.arange(12, dtype=np.float32).reshape(4, 3)},
    {
        "class_id": np.array([0, 1, 1, 0]),
        "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]], np.float32),
    },
)


def with_other_probability(rows: Rows, by: float) -> Rows:
    return replace(rows, outputs={**rows.outputs, "probabilities": rows.outputs["probabilities"] + np.float32(by)})


@pytest.mark.parametrize("workload", [PREDICT, replace(PREDICT, as_content=True)])
def test_a_wrong_answer_to_predict_is_counted_as_often_as_it_came(workload: Workload) -> None:
    requests = write_requests(workload, ROWS)
    first, second = (write_answer(workload, rows) for rows in requests.expected)
    near = write_answer(workload, with_other_probability(requests.expected[0], by=1e-6))
    far = write_answer(workload, with_other_probability(requests.expected[0], by=1e-2))
    count, why = requests.wrong(Counter({(0, first): 5, (1, second): 5, (0, near): 1, (0, far): 2, (1, first): 3}))
    assert count == 5
    assert why.startswith(("probabilities: expected", "class_id: expected"))


def test_an_answer_to_modelinfer_is_read_raw_or_typed() -> None:
    requests = write_requests(replace(PREDICT, protocol="infer"), ROWS)
    raw, typed = inference_pb2.ModelInferResponse(), inference_pb2.ModelInferResponse()
    for response in (raw, typed):
        response.outputs.add(name="class_id", datatype="INT64", shape=[2])
        response.outputs.add(name="probabilities", datatype="FP32", shape=[2, 2])
    raw.raw_output_contents.extend([np.array([0, 1]).tobytes(), np.array([0.9, 0.1, 0.2, 0.8], np.float32).tobytes()])
    typed.outputs[0].contents.int64_contents.extend([0, 1])
    typed.outputs[1].contents.fp32_contents.extend([0.9, 0.1, 0.2, 0.8])
    assert requests.wrong(Counter({(0, raw.SerializeToString()): 1, (0, typed.SerializeToString()): 1})) == (0, "")
    assert requests.wrong(Counter({(1, raw.SerializeToString()): 4, (0, b"\xff"): 1}))[0] == 5


def test_the_key_of_a_workload_names_it_whole() -> None:
    assert [Workload.of(each.key) for each in FULL] == list(FULL)
    assert len({each.key for each in FULL}) == len(FULL)


def measured(per_second: float) -> Measured:
    return Measured(10, 9, 0, per_second, 1.0, 2.0, 3.0, 4.0, 0.0, 10.0, 2, 0, "")


def test_ratios_are_taken_round_by_round_and_survive_the_disk(tmp_path: Path) -> None:
    results = Results({"date": "today"}, {"servers": ["a", "b"], "workloads": [PREDICT.key], "seconds": 1})
    for number, (a, b) in enumerate([(100.0, 200.0), (10.0, 40.0), (50.0, 150.0)]):
        for server, per_second in (("a", a), ("b", b)):
            results.turns.append(
                Turn(
                    number, server, cells={PREDICT.key: Cell(measured(per_second), 5.0, wrong=0, stolen=0.01, tries=2)}
                )
            )
    results.turns.append(Turn(3, "b", error="it fell over"))
    results.write(tmp_path / "results.json")
    kept = Results.read(tmp_path / "results.json")
    assert kept == results
    assert kept.ratio("b", "a", PREDICT, lambda cell: cell.load.per_second) == Spread(median=3.0, low=2.0, high=4.0)
    assert kept.whole_rounds() == set()
    assert kept.faults() == ["round 4, b: 0 wrong answers, 0 unanswered; it fell over"]


def test_a_round_asks_all_servers_one_thing_after_another_and_goes_on_without_one_that_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = (replace(BY_NAME[LIMIT], name=name) for name in ("first", "second"))
    broken = Server("broken", "{python} -c import(nothing)", "")
    other = replace(PREDICT, pace=2)
    measured = Round(
        1, [broken, first, second], folder=tmp_path, rows={"m1": ROWS}, workloads=[PREDICT, other], seconds=0.05
    )
    measured.run()
    failed, *whole = measured.turns
    assert failed.error.startswith("ServerFailed: broken ended with 1")
    assert (failed.whole, failed.cells) == (False, {})
    for turn in whole:
        assert (turn.whole, turn.error, turn.wrong, turn.unanswered) == (True, "", 0, 0)
        assert turn.start_seconds > 0
        assert turn.rss_mb >= turn.pss_mb > 5
        assert {key: cell.load.answered > 0 for key, cell in turn.cells.items()} == {PREDICT.key: True, other.key: True}
    said = capfd.readouterr().out
    assert f"{PREDICT.key}: first" in said, "in the second round, who is second in the table begins"
    assert f"{other.key}: second" in said
    results = Results({}, {"servers": ["first", "second"], "workloads": [PREDICT.key, other.key]}, turns=whole)
    assert results.whole_rounds() == {1}
    results.turns[0] = replace(results.turns[0], whole=False)
    assert results.whole_rounds() == set()


def test_what_went_wrong_in_a_try_that_does_not_count_is_a_fault_still() -> None:
    bad = Cell(replace(measured(9.0), failed=3), 5.0, wrong=2)
    cell = best_of([(0.0, Cell(measured(10.0), 5.0, wrong=1)), (0.1, bad), (0.2, bad)])
    assert (cell.load.per_second, cell.tries, cell.wrong, cell.failed_besides) == (10.0, 3, 5, 6)
    turn = Turn(0, "a", cells={PREDICT.key: cell})
    assert (turn.wrong, turn.unanswered) == (5, 6)
    opened = replace(PREDICT, loop="open")
    assert Turn(0, "a", cells={opened.key: cell}).unanswered == 0, "of an open loop that is a result"


@pytest.mark.parametrize(
    ("fields", "before", "after", "share"),
    [
        ("user system idle iowait steal guest", (1, 1, 1, 0, 0, 0), (4, 2, 9, 5, 1, 2), 1 / 5),  # guest is part of user
        ("user system idle", (1, 1, 1), (2, 2, 2), 0),  # not everywhere is it told
        ("user system idle steal", (1, 1, 1, 0), (1, 1, 9, 0), 0),
    ],
)
def test_what_a_host_gave_to_others_is_a_share_of_what_was_wanted(
    fields: str, before: tuple[int, ...], after: tuple[int, ...], share: float
) -> None:
    times = namedtuple("times", fields)  # noqa: PYI024 - as psutil's are
    assert stolen_share(times(*before), times(*after)) == pytest.approx(share)


@pytest.mark.parametrize(
    ("shares", "taken", "best"),
    [
        ([0.0], 1, 0.0),
        ([BEARABLE, 0.0], 1, BEARABLE),  # so little happens at any time
        ([0.4, 0.1, 0.001, 0.0], 3, 0.001),
        ([0.5, 0.2, 0.3, 0.4, 0.6, 0.7, 0.0], TRIES, 0.2),  # the host has work for longer
    ],
)
def test_what_a_host_disturbed_is_measured_again(shares: list[float], taken: int, best: float) -> None:
    times = namedtuple("times", "user idle steal")  # noqa: PYI024 - as psutil's are
    now, tries = [0.0, 0.0, 0.0], iter(enumerate(shares))

    def attempt() -> int:
        number, share = next(tries)
        now[:] = now[0] + 1 - share, now[1] + 5, now[2] + share
        return number

    found = least_disturbed(attempt, lambda: times(*now))
    assert [number for _, number in sorted(found, key=lambda each: each[1])] == list(range(taken))
    assert found[0] == (pytest.approx(best), shares.index(best))
    assert [share for share, _ in found] == sorted(share for share, _ in found)
