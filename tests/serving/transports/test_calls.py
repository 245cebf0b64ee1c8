"""Calls of gRPC's own clients, and of curl, over the transport asyncio."""

import json
import threading
from collections.abc import Iterator

import grpc
import hyperframe.frame as hf
import pytest
from google.rpc import error_details_pb2, status_pb2

from serving.status import Code, StatusError
from serving.transports.transport import Call, Stream, Unary
from tests.serving.transports.wire import (
    ECHO,
    RawClient,
    Running,
    Waiting,
    call_bytes,
    data_frame,
    echo,
    grpc_message,
    headers_frame,
    request_block,
    running,
)

UNARY, STREAM = "/zoo.Echo/Unary", "/zoo.Echo/Stream"
LARGE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


async def fail(message: bytes, call: Call) -> bytes:
    """End with the code that the request names, and all that can go with it."""
    wanted = json.loads(message)
    call.trailing["x-text"] = "text"
    call.trailing["x-bytes-bin"] = b"\0\xff"
    raise StatusError(Code(wanted["code"]), wanted["text"], field=wanted.get("field"), retry_after=wanted.get("retry"))


async def tell(message: bytes, call: Call) -> bytes:
    """Answer what is known of the call."""
    call.trailing["x-answer"] = "yes"
    known = {key: value if isinstance(value, str) else list(value) for key, value in call.metadata.items()}
    return json.dumps({"metadata": known, "remaining": call.time_remaining(), "peer": call.peer}).encode()


async def crash(message: bytes, call: Call) -> bytes:
    raise RuntimeError("secret")


WAITING = Waiting()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    methods = [
        *ECHO,
        Unary("/zoo.Echo/Fail", fail),
        Unary("/zoo.Echo/Tell", tell),
        Unary("/zoo.Echo/Crash", crash),
        Unary("/zoo.Echo/Small", echo, 10),
        Unary("/zoo.Echo/Wait", WAITING.unary),
        Stream("/zoo.Echo/WaitStream", WAITING.stream),
    ]
    with running(methods, max_message_bytes=32 << 20) as served:
        yield served


@pytest.fixture
def channel(server: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", options=LARGE) as opened:
        yield opened


@pytest.fixture
def waiting() -> Waiting:
    WAITING.began.clear()
    WAITING.ended.clear()
    return WAITING


def error_of(channel: grpc.Channel, path: str, message: bytes, **options: object) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(path)(message, **{"timeout": 30, **options})
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 3000, 16_379, 65_536, 600_000, 5_000_000])
def test_messages_of_any_size_come_back_as_they_were(channel: grpc.Channel, size: int) -> None:
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert channel.unary_unary(UNARY)(message, timeout=30) == message


def test_many_calls_of_one_connection_get_their_own_answers(channel: grpc.Channel) -> None:
    futures = [channel.unary_unary(UNARY).future(b"%d" % i * (i % 50 + 1) * 40, timeout=60) for i in range(1500)]
    assert all(future.result() == b"%d" % i * (i % 50 + 1) * 40 for i, future in enumerate(futures))


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
@pytest.mark.parametrize("path", [UNARY, STREAM])
def test_compressed_requests_are_unpacked(channel: grpc.Channel, compression: grpc.Compression, path: str) -> None:
    message = b"zebra" * 1000
    if path == UNARY:
        assert channel.unary_unary(path)(message, timeout=30, compression=compression) == message
    else:
        assert list(channel.stream_stream(path)(iter([message] * 3), timeout=30, compression=compression)) == [
            message
        ] * 3  # fmt: skip


def test_an_encoding_that_is_not_known_is_refused_with_those_that_are(server: Running) -> None:
    with RawClient(server.port) as client:
        client.send(headers_frame(1, request_block(("grpc-encoding", "snappy"))))
        client.send(data_frame(1, grpc_message(b"x", flag=1), "END_STREAM"))
        trailers = client.status(1)
        assert (trailers["grpc-status"], trailers["grpc-accept-encoding"]) == ("12", "identity,deflate,gzip")


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
def test_every_status_reaches_the_client_with_all_that_goes_with_it(channel: grpc.Channel, code: Code) -> None:
    text = "100 % schön\n→ done"
    error = error_of(
        channel, "/zoo.Echo/Fail", json.dumps({"code": code, "text": text, "field": "x", "retry": 1.5}).encode()
    )
    assert (error.code().value[0], error.details()) == (code, text)
    trailing = dict(error.trailing_metadata())
    assert (trailing["x-text"], trailing["x-bytes-bin"]) == ("text", b"\0\xff")
    told = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    wrong, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    assert told.details[0].Unpack(wrong)
    assert told.details[1].Unpack(retry)
    assert (wrong.field_violations[0].field, retry.retry_delay.ToTimedelta().total_seconds()) == ("x", 1.5)


@pytest.mark.parametrize("text", ["x" * 100_000, "ü" * 100_000])
def test_a_long_message_is_cut_to_what_clients_take(channel: grpc.Channel, text: str) -> None:
    error = error_of(channel, "/zoo.Echo/Fail", json.dumps({"code": 3, "text": text}).encode())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details()[:500] == text[:500]


def test_metadata_arrives_and_answers_have_trailers(channel: grpc.Channel) -> None:
    sent = (("key", "a"), ("key", "b"), ("blob-bin", b"\0\1"), ("blob-bin", b"\xff"), ("empty", ""))
    answer, call = channel.unary_unary("/zoo.Echo/Tell").with_call(b"", timeout=30, metadata=sent)
    known = json.loads(answer)
    assert {name: known["metadata"][name] for name, _ in sent} == {"key": "b", "blob-bin": [0xFF], "empty": ""}
    assert not [name for name in known["metadata"] if name.startswith((":", "grpc-")) or name in ("te", "content-type")]
    assert 0 < known["remaining"] <= 30 * 1.01  # gRPC rounds up, to three digits
    assert known["peer"].startswith("ipv4:127.0.0.1:")
    assert dict(call.trailing_metadata()) == {"x-answer": "yes"}


def test_bytes_in_metadata_may_come_in_a_list_and_with_padding(server: Running) -> None:
    with RawClient(server.port) as client:
        client.send(call_bytes(1, b"", (":path", "/zoo.Echo/Tell"), ("a-bin", "AAA=,AQ=="), ("b-bin", "AQ")))
        data = client.until(lambda frame: isinstance(frame, hf.DataFrame)).data
        known = json.loads(data[5:])["metadata"]
        assert (known["a-bin"], known["b-bin"]) == ([1], [1])


def test_what_a_handler_raises_is_told_without_its_text(
    channel: grpc.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    error = error_of(channel, "/zoo.Echo/Crash", b"")
    assert (error.code(), "secret" in error.details()) == (grpc.StatusCode.INTERNAL, False)
    assert "secret" in caplog.text


def test_a_method_that_there_is_not_is_unimplemented(channel: grpc.Channel) -> None:
    error = error_of(channel, "/zoo.Echo/Nothing", b"")
    assert (error.code(), error.details()) == (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")


def test_messages_over_a_limit_are_refused_in_the_first_transport_s_words(channel: grpc.Channel) -> None:
    error = error_of(channel, UNARY, bytes(33 << 20))
    assert (error.code(), error.details()) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED, f"SERVER: Received message larger than max ({33 << 20} vs. {32 << 20})",
    )  # fmt: skip
    error = error_of(channel, "/zoo.Echo/Small", bytes(11))
    assert error.details() == "a request of 11 bytes; this method takes 10 at most"
    assert channel.unary_unary("/zoo.Echo/Small")(bytes(10), timeout=30) == bytes(10)


def test_the_deadline_ends_the_handler(channel: grpc.Channel, waiting: Waiting) -> None:
    assert error_of(channel, "/zoo.Echo/Wait", b"", timeout=0.3).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert waiting.ended.wait(30)


def test_the_deadline_is_kept_without_the_client_s_help(server: Running, waiting: Waiting) -> None:
    with RawClient(server.port) as client:
        client.send(call_bytes(1, b"", (":path", "/zoo.Echo/Wait"), ("grpc-timeout", "50m")))
        assert client.status(1)["grpc-status"] == "4"
        assert waiting.ended.wait(30)


@pytest.mark.parametrize("path", ["/zoo.Echo/Wait", "/zoo.Echo/WaitStream"])
@pytest.mark.parametrize("how", ["cancelled", "hung up"])
def test_a_handler_ends_when_its_client_goes(server: Running, waiting: Waiting, path: str, how: str) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.stream_stream(path)(iter([b""]), timeout=30)
        assert waiting.began.wait(30)
        if how == "cancelled":
            call.cancel()
            assert waiting.ended.wait(30)
    assert waiting.ended.wait(30)


def test_a_stream_is_answered_message_by_message(channel: grpc.Channel) -> None:
    gate = threading.Semaphore(1)

    def questions() -> Iterator[bytes]:
        for i in range(100):
            assert gate.acquire(timeout=30)
            yield b"%d" % i

    answers = []
    for answer in channel.stream_stream(STREAM)(questions(), timeout=60):
        answers.append(answer)
        gate.release()
    assert answers == [b"%d" % i for i in range(100)]


def test_large_messages_stream_both_ways(channel: grpc.Channel) -> None:
    messages = [bytes([i]) * 3_000_000 for i in range(5)]
    assert list(channel.stream_stream(STREAM)(iter(messages), timeout=60)) == messages


def test_a_stream_without_requests_is_answered(channel: grpc.Channel) -> None:
    assert list(channel.stream_stream(STREAM)(iter(()), timeout=30)) == []


@pytest.mark.parametrize(
    ("messages", "code"),
    [([], "12"), ([b"a", b"b"], "12"), ([b"a"], "0")],
    ids=["none", "two", "one"],
)
def test_a_unary_method_takes_one_request(server: Running, messages: list[bytes], code: str) -> None:
    with RawClient(server.port) as client:
        client.send(headers_frame(1, request_block()))
        for message in messages:
            client.send(data_frame(1, grpc_message(message)))
        client.send(data_frame(1, b"", "END_STREAM"))
        assert client.status(1)["grpc-status"] == code


@pytest.mark.parametrize(
    "data", [b"\0\0", grpc_message(b"hello")[:-1], b"\2\0\0\0\0"], ids=["prefix", "message", "flag"]
)
@pytest.mark.parametrize("path", [UNARY, STREAM])
def test_what_is_no_message_is_an_error(server: Running, data: bytes, path: str) -> None:
    with RawClient(server.port) as client:
        client.send(headers_frame(1, request_block((":path", path))) + data_frame(1, data, "END_STREAM"))
        assert client.status(1)["grpc-status"] == "13"


def test_a_request_may_come_in_any_pieces(server: Running) -> None:
    """Padded, with a priority, its block in three frames, its message in single bytes, ended by trailers."""
    block = request_block()
    with RawClient(server.port) as client:
        begin = hf.HeadersFrame(1, block[:7], flags=("PADDED", "PRIORITY"), pad_length=9, depends_on=0, stream_weight=3)
        client.send(begin.serialize() + hf.ContinuationFrame(1, block[7:20]).serialize())
        client.send(hf.ContinuationFrame(1, block[20:], flags=("END_HEADERS",)).serialize())
        for byte in grpc_message(b"hello"):
            client.send(hf.DataFrame(1, bytes([byte]), flags=("PADDED",), pad_length=5).serialize())
        client.send(headers_frame(1, b"\x00\x01a\x01b", "END_STREAM"))
        data = client.until(lambda frame: isinstance(frame, hf.DataFrame)).data
        assert data == grpc_message(b"hello")


def test_an_answer_waits_for_the_windows_and_changes_of_them(server: Running) -> None:
    opening_window = hf.SettingsFrame(0, {4: 10}).serialize()
    with RawClient(server.port) as client:
        client.send(opening_window + call_bytes(1, bytes(100)))
        taken = len(client.until(lambda frame: isinstance(frame, hf.DataFrame)).data)
        assert taken == 10
        client.send(hf.SettingsFrame(0, {4: 5}).serialize())  # it has sent five too many now
        client.send(hf.WindowUpdateFrame(1, 5).serialize() + hf.PingFrame(0, b"nothing.").serialize())
        assert isinstance(client.until(lambda f: isinstance(f, hf.DataFrame | hf.PingFrame)), hf.PingFrame)
        client.send(hf.SettingsFrame(0, {4: 1000}).serialize())
        while taken < 105:
            taken += len(client.until(lambda frame: isinstance(frame, hf.DataFrame)).data)
        assert client.status(1) == {"grpc-status": "0"}


def test_a_large_answer_does_not_hold_up_a_small_one(server: Running) -> None:
    with RawClient(server.port) as client:
        client.send(hf.SettingsFrame(0, {4: 1 << 24}).serialize() + hf.WindowUpdateFrame(0, 1 << 24).serialize())
        large = grpc_message(bytes(1_000_000))
        client.send(headers_frame(1, request_block()))
        client.send(b"".join(data_frame(1, large[i : i + 16_000]) for i in range(0, len(large), 16_000)))
        client.send(data_frame(1, b"", "END_STREAM") + call_bytes(3))
        ended = [
            client.until(lambda f: isinstance(f, hf.HeadersFrame) and "END_STREAM" in f.flags).stream_id
            for _ in range(2)
        ]
        assert ended == [3, 1]


def test_pings_are_answered(server: Running) -> None:
    with RawClient(server.port) as client:
        client.send(hf.PingFrame(0, b"12345678").serialize())
        assert client.until(lambda frame: isinstance(frame, hf.PingFrame)).opaque_data == b"12345678"
