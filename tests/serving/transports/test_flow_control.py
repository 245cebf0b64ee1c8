"""Flow control both ways: the library h2 as the client, which raises where the server sends what it may not."""

import h2.config
import h2.connection
import h2.events
import h2.settings
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.transports.http2.limits import Limits
from tests.serving.transports.wire import REQUEST, Wire, grpc_message

SIZES = st.sampled_from([0, 1, 100, 16_379, 16_380, 40_000, 70_000, 200_000])
WINDOWS = st.sampled_from([0, 1, 1000, 65_535, 1 << 20])
PATHS = st.sampled_from(["/zoo.Echo/Unary", "/zoo.Echo/Stream"])


class Client:
    """Sends what it may, and takes what comes when it is told to."""

    def __init__(self, wire: Wire, window: int) -> None:
        self.wire = wire
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.connection.local_settings.enable_push = 0
        self.connection.initiate_connection()
        self.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.unsent: dict[int, bytes] = {}
        self.untaken: dict[int, int] = {}
        self.answers: dict[int, bytes] = {}
        self.statuses: dict[int, str] = {}

    def call(self, path: str, message: bytes) -> int:
        stream_id = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream_id, [(name, path if name == ":path" else value) for name, value in REQUEST])
        self.unsent[stream_id] = grpc_message(message)
        self.answers[stream_id] = b""
        return stream_id

    def exchange(self) -> bool:
        """Send what the windows let through, and read the answers; tell whether anything went either way."""
        for stream_id, data in list(self.unsent.items()):
            room = min(
                self.connection.local_flow_control_window(stream_id), self.connection.max_outbound_frame_size, len(data)
            )
            self.connection.send_data(stream_id, data[:room], end_stream=room == len(data))
            self.unsent[stream_id] = data[room:]
            if room == len(data):
                del self.unsent[stream_id]
        sent = self.connection.data_to_send()
        got = self.wire.send(sent)
        for event in self.connection.receive_data(got):
            if isinstance(event, h2.events.DataReceived):
                self.answers[event.stream_id] += event.data
                self.untaken[event.stream_id] = self.untaken.get(event.stream_id, 0) + event.flow_controlled_length
            elif isinstance(event, h2.events.TrailersReceived):
                self.statuses[event.stream_id] = dict(event.headers)["grpc-status"]
        return bool(sent or got)

    def take(self) -> None:
        """Give the windows back."""
        for stream_id, size in self.untaken.items():
            if size:
                self.connection.acknowledge_received_data(size, stream_id)
        self.untaken.clear()


@settings(max_examples=30, deadline=None)
@given(
    calls=st.lists(st.tuples(PATHS, SIZES), min_size=1, max_size=6),
    window=WINDOWS,
    windows=st.lists(WINDOWS, max_size=4),
    limits=st.sampled_from([Limits(), Limits(stream_window=65_535, connection_window=70_000, write_buffer_bytes=1000)]),
)
def test_every_answer_comes_whole_and_no_window_is_overrun(
    calls: list[tuple[str, int]], window: int, windows: list[int], limits: Limits
) -> None:
    wire = Wire(limits=limits)
    try:
        client = Client(wire, window)
        client.exchange()
        asked = {client.call(path, bytes([i]) * size): bytes([i]) * size for i, (path, size) in enumerate(calls)}
        for each in [*windows, 65_535]:
            client.exchange()
            client.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: each})
            client.exchange()
            client.take()
        while client.exchange():
            client.take()
        assert client.answers == {stream_id: grpc_message(message) for stream_id, message in asked.items()}
        assert client.statuses == dict.fromkeys(asked, "0")
        assert (wire.session.outbox.unsent, wire.session.held, len(wire.session.streams)) == (0, 0, 0)
    finally:
        wire.close()
