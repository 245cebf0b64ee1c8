"""What speaks for an engine, and what is remembered of that."""

import dataclasses
import os
from pathlib import Path

import pytest

from serving.engines.findings import Contender, Findings, SignatureFindings, choose, describe
from serving.engines.findings_cache import FindingsCache, cache_folder, checksums, key_of


def contender(engine: str, *times: float, threads: int = 1) -> Contender:
    """A contender that took so many microseconds for 1, 8 and 32 rows."""
    return Contender(engine, threads, microseconds=dict(zip(("1", "8", "32"), times, strict=False)))


def chosen(*contenders: Contender, engine: str | None = None) -> str:
    return describe(choose(SignatureFindings(contenders), engine))


LITERT = contender("litert", 10, 80, 320)


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([], "litert"),
        ([contender("frozen", 50, 60, 90)], "litert; frozen from 16 rows"),
        ([contender("frozen", 7, 50, 200)], "litert"),  # which needs no TensorFlow
        ([contender("litert", 9, 70, 270, threads=2)], "litert"),  # what is hardly faster is not worth a thread
        ([contender("frozen", 5, 40, 100)], "frozen"),
        ([contender("frozen", 5, 70, 300)], "frozen"),
        ([contender("frozen", 5, 100, 1000)], "frozen; litert from 16 rows"),
        ([contender("litert", 6, 50, 60, threads=2)], "litert; litert x2 from 16 rows"),  # nor what is so by microseconds
        ([contender("litert", 20, 50, 60, threads=2), contender("frozen", 50, 49, 300)], "litert; litert x2 from 16 rows"),
    ],
)  # fmt: skip
def test_the_clearly_fastest_runs_each_size_of_batch(others: list[Contender], words: str) -> None:
    assert chosen(LITERT, *others) == words


@pytest.mark.parametrize(
    ("several", "words"),
    [
        ((250, 2000, 8000), "litert; litert x2 from 4 rows"),  # 90 us of a single row are not worth a thread
        ((230, 2000, 8000), "litert x2"),  # 110 us are
        ((250, 360, 8000), "litert; litert x2 from 16 rows"),  # nor are 240 us of a batch, whose calls want cores
        ((230, 360, 8000), "litert x2"),
    ],
)
def test_further_threads_have_to_save_more_of_a_batch(several: tuple[float, ...], words: str) -> None:
    eight = 600 if several[1] == 360 else 4000
    assert chosen(contender("litert", 340, eight, 16000), contender("litert", *several, threads=2)) == words


def test_one_engine_alone_may_be_asked_for() -> None:
    frozen, saved_model = contender("frozen", 50, 60, 90), contender("saved_model", 150, 160, 190)
    assert chosen(LITERT, frozen, saved_model, engine="frozen") == "frozen"
    assert chosen(LITERT, saved_model, engine="frozen") == ""


def test_a_contender_too_slow_for_large_batches_counts_by_the_largest_that_was_timed() -> None:
    assert chosen(contender("litert", 10), contender("saved_model", 4)) == "saved_model"


FOUND = Findings({"serving_default": SignatureFindings((LITERT,), {"frozen": "it keeps a state"})})


def keep(cache: FindingsCache, key: str, findings: Findings = FOUND, *, size: int = 10) -> Path:
    with cache.staging() as staging:
        (staging / "frozen.graph").write_bytes(bytes(size))
        return cache.keep(key, dataclasses.replace(findings, files=checksums(staging)), staging)


def test_findings_are_remembered_with_their_files(tmp_path: Path) -> None:
    cache = FindingsCache(tmp_path / "cache")
    assert cache.find("some") is None
    folder = keep(cache, "some")
    assert sorted(path.name for path in folder.iterdir()) == ["findings.json", "frozen.graph"]
    found = FindingsCache(tmp_path / "cache").find("some")
    assert found is not None
    assert found[0].signatures == FOUND.signatures
    assert found[1] == folder
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["some"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "findings.json").write_text("{"),
        lambda folder: (folder / "findings.json").write_text('{"signatures": 3}'),
        lambda folder: (folder / "findings.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "frozen.graph").write_bytes(b"other"),
        lambda folder: (folder / "frozen.graph").unlink(),
        lambda folder: (folder / "more").write_text("what is that"),
    ],
)
def test_what_is_damaged_counts_as_absent_and_goes(damage: object, tmp_path: Path) -> None:
    cache = FindingsCache(tmp_path)
    folder = keep(cache, "some")
    damage(folder)  # type: ignore[operator]
    assert cache.find("some") is None
    assert not folder.exists()
    assert keep(cache, "some") == folder


def test_where_nothing_can_be_written_findings_are_used_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = FindingsCache(tmp_path / "file" / "engines")
    with cache.staging() as staging:
        (staging / "frozen.graph").write_bytes(b"graph")
        assert (cache.keep("some", FOUND, staging) / "frozen.graph").read_bytes() == b"graph"
    assert not staging.exists()
    assert cache.find("some") is None


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = FindingsCache(tmp_path, most_bytes=25_000)
    for number, name in enumerate(("first", "second")):
        os.utime(keep(cache, name, size=10_000), (number, number))
    cache.find("first")  # now the one that was used last
    keep(cache, "third", size=10_000)
    assert {path.name for path in tmp_path.iterdir()} == {"first", "third"}


def test_of_two_that_find_out_the_same_the_first_counts(tmp_path: Path) -> None:
    cache = FindingsCache(tmp_path)
    with cache.staging() as mine, cache.staging() as other:
        (mine / "frozen.graph").write_bytes(b"mine")
        (other / "frozen.graph").write_bytes(b"other")
        cache.keep("some", FOUND, mine)
        assert (cache.keep("some", FOUND, other) / "frozen.graph").read_bytes() == b"mine"


def test_findings_are_of_one_model_machine_and_choice() -> None:
    files = {"saved_model.pb": "ab"}
    keys = {
        key_of(files, tags=["serve"]),
        key_of(files, tags=["serve", "gpu"]),
        key_of({"saved_model.pb": "ac"}, tags=["serve"]),
    }
    assert len(keys) == 3
    assert key_of(files, tags=["serve"]) in keys


def test_the_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "keras-zoo" / "engines"
    for unusable in ("", "relative"):  # as the specification has it
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert cache_folder() == tmp_path / "home" / ".cache" / "keras-zoo" / "engines"
