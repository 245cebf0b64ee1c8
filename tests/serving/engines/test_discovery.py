"""What is found out about a version is remembered: for ever, or until the machine is less busy."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from serving.engines import findings_cache
from serving.engines.child import ChildError
from serving.engines.discovery import Discovery, Subject
from serving.engines.findings import LITERT, Contender, Findings, SignatureFindings
from serving.engines.findings_cache import FindingsCache
from serving.engines.work_order import RESULT, STEP, WorkOrder
from serving.processor import Processor
from serving.saved_model import read_signature_defs
from serving.signature import to_signatures
from tests.serving.engines.models import BUSY, QUIET
from zoo.artifact import read_passport

WINE = Path(__file__).parents[3] / "saved_models" / "wine_mlp" / "1"


class Workshop:
    """Finds LiteRT to take so many microseconds, and writes a file that says so. A time below zero: it dies."""

    def __init__(self, *microseconds: float, was_disturbed: bool) -> None:
        self._left = list(microseconds)
        self._was_disturbed = was_disturbed

    def __call__(self, order: WorkOrder) -> None:
        spent = self._left.pop(0)
        if spent < 0:
            raise ChildError("it took longer than 300 s")
        (Path(order.folder) / STEP).write_text("time")
        (Path(order.folder) / LITERT).write_text(str(spent))
        found = SignatureFindings((Contender(LITERT, 2, microseconds={"1": spent}),))
        (Path(order.folder) / RESULT).write_text(json.dumps(asdict(Findings({"f": found}, {}, self._was_disturbed))))


def disturbed(*microseconds: float) -> Workshop:
    return Workshop(*microseconds, was_disturbed=True)


def quiet(*microseconds: float) -> Workshop:
    return Workshop(*microseconds, was_disturbed=False)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    version = tmp_path / "models" / "m" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"a graph")
    return Subject(version, frozenset({"serve"}), {}, None)


@pytest.fixture
def cache(tmp_path: Path) -> FindingsCache:
    return FindingsCache(tmp_path / "cache")


def found_by(subject: Subject, cache: FindingsCache, make: Workshop, processor: Processor = QUIET) -> float:
    """Return the microseconds that are found, which the file beside them says too."""
    with Discovery(cache, make, processor).find(subject) as (findings, folder):
        (contender,) = findings.signatures["f"].contenders
        assert (folder / LITERT).read_text() == str(contender.microseconds["1"])
        return contender.microseconds["1"]


def test_what_was_timed_on_a_busy_machine_serves_at_once_and_is_timed_again_on_a_quiet_one(
    subject: Subject, cache: FindingsCache, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert found_by(subject, cache, disturbed(3462.0)) == 3462
        assert "m/1 was timed while the machine was busy: its next load times it again" in caplog.text
        assert found_by(subject, cache, quiet(650.0)) == 650
    assert "m/1 was timed while the machine was busy, and is timed again" in caplog.text
    assert found_by(subject, cache, quiet()) == 650  # now for ever


def test_what_was_timed_on_a_busy_machine_is_left_as_it_is_while_it_is_busy(
    subject: Subject, cache: FindingsCache, caplog: pytest.LogCaptureFixture
) -> None:
    found_by(subject, cache, disturbed(3462.0))
    with caplog.at_level(logging.INFO):
        assert found_by(subject, cache, quiet(), BUSY) == 3462
    assert "m/1 was timed while the machine was busy, as it is now" in caplog.text
    assert found_by(subject, cache, quiet(650.0)) == 650


@pytest.mark.parametrize("again", [disturbed(5000.0), quiet(-1.0)], ids=["disturbed once more", "a failure"])
def test_what_is_no_better_changes_nothing(subject: Subject, cache: FindingsCache, again: Workshop) -> None:
    found_by(subject, cache, disturbed(3462.0))
    assert found_by(subject, cache, again) == 3462
    assert found_by(subject, cache, quiet(650.0)) == 650


def test_who_loads_what_was_found_first_can_go_on_while_it_is_found_anew(
    subject: Subject, cache: FindingsCache
) -> None:
    found_by(subject, cache, disturbed(3462.0))
    with Discovery(cache, quiet(), BUSY).find(subject) as (_, folder):
        assert found_by(subject, cache, quiet(650.0)) == 650
        assert (folder / LITERT).read_text() == "3462.0"


def test_what_another_process_found_anew_meanwhile_is_not_timed_once_more(
    subject: Subject, cache: FindingsCache
) -> None:
    """It does so while this one looks whether the machine is busy."""
    found_by(subject, cache, disturbed(3462.0))
    other: list[float] = []

    def wait(_: float) -> None:
        other.append(found_by(subject, cache, quiet(650.0)))

    assert found_by(subject, cache, quiet(), Processor(lambda: None, lambda: None, wait)) == 650
    assert other == [650]


def test_nothing_is_timed_again_where_nothing_can_be_kept(
    subject: Subject, cache: FindingsCache, tmp_path: Path
) -> None:
    class Full(FindingsCache):
        def can_keep(self) -> bool:
            return False

    found_by(subject, cache, disturbed(3462.0))
    assert found_by(subject, Full(tmp_path / "cache"), quiet()) == 3462


def test_what_an_earlier_format_remembers_is_found_out_anew(
    subject: Subject, cache: FindingsCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not tell whether the machine was busy."""
    with monkeypatch.context() as earlier:
        earlier.setattr(findings_cache, "FORMAT", 1)
        assert found_by(subject, cache, quiet(3462.0)) == 3462
        assert found_by(subject, cache, quiet()) == 3462
    assert found_by(subject, cache, quiet(650.0)) == 650


@pytest.mark.parametrize("make", [disturbed, quiet])
def test_a_damaged_field_is_found_out_anew(
    subject: Subject,
    cache: FindingsCache,
    make: Callable[..., Workshop],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found_by(subject, cache, make(3462.0))
    (path,) = (tmp_path / "cache").glob("*/findings.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "was_disturbed": "a little"}))
    assert found_by(subject, cache, quiet(650.0)) == 650
    assert "was_disturbed: expected bool, got 'a little'" in caplog.text


def test_an_artifacts_own_file_is_timed_again_too(cache: FindingsCache) -> None:
    signatures = to_signatures(read_signature_defs(WINE, frozenset({"serve"})))
    subject = Subject(WINE, frozenset({"serve"}), signatures, read_passport(WINE))

    def times(processor: Processor) -> tuple[bool, Sequence[Contender]]:
        with Discovery(cache, quiet(), processor).find(subject) as (findings, _):
            return findings.was_disturbed, findings.signatures["serving_default"].contenders

    first = times(BUSY)
    assert first[0]
    assert times(BUSY) == first
    second = times(QUIET)
    assert not second[0]
    assert {contender.engine for contender in second[1]} == {LITERT}
    assert times(BUSY) == second
