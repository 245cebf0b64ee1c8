"""TFRecord files, held against TensorFlow's own reader and writer."""

from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.status import ServerError
from serving.tf_records import RecordWriter, read_records

RECORDS = [b"", b"a", bytes(range(256)) * 300]


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_what_is_written_tensorflow_reads(tmp_path: Path, records: list[bytes]) -> None:
    with RecordWriter(tmp_path / "ours") as writer:
        for record in records:
            writer.write(record)
    assert [each.numpy() for each in tf.data.TFRecordDataset(str(tmp_path / "ours"))] == records
    assert writer.bytes == (tmp_path / "ours").stat().st_size


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "records"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in RECORDS:
            writer.write(record)
    return path


def test_what_tensorflow_writes_is_read(written: Path) -> None:
    assert list(read_records(written, max_bytes=1 << 20)) == RECORDS


def test_a_changed_byte_anywhere_is_noticed(written: Path) -> None:
    whole = written.read_bytes()
    for place in (0, 9, 13, 17, 28, 30, 40, len(whole) - 1):
        written.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ServerError, match=r"records, record \d.*checksum"):
            list(read_records(written, max_bytes=1 << 20))


def test_a_file_that_is_cut_short_is_noticed(written: Path) -> None:
    whole = written.read_bytes()
    for length in (5, 14, 20, 30, len(whole) - 1):
        written.write_bytes(whole[:length])
        with pytest.raises(ServerError, match="is cut short"):
            list(read_records(written, max_bytes=1 << 20))


def test_a_record_over_the_limit_is_not_read(written: Path) -> None:
    with pytest.raises(ServerError, match="record 2 has 76800 bytes, the limit is 1000"):
        list(read_records(written, max_bytes=1000))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="nothing: No such file"):
        list(read_records(tmp_path / "nothing", max_bytes=1))


def test_a_file_that_cannot_be_written_on_keeps_its_whole_records(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "records")
    writer.write(b"whole")
    writer.flush()
    writer.write(b"not surely there")
    writer.abandon()
    assert list(read_records(tmp_path / "records", max_bytes=100)) == [b"whole"]


def test_a_file_that_could_not_be_written_to_is_not_left_there(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "records")
    writer.write(b"not surely there")
    writer.abandon()
    assert not (tmp_path / "records").exists()
