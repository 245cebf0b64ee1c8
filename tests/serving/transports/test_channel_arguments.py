"""Options of gRPC's library, for a transport that is not gRPC's library."""

import pytest

from serving.status import ServerError
from serving.transports.http2.channel_arguments import ChannelArguments
from serving.transports.http2.limits import Limits


def test_options_that_have_a_counterpart_set_it(caplog: pytest.LogCaptureFixture) -> None:
    found = ChannelArguments.read(
        {
            "grpc.max_connection_age_ms": 1500,
            "grpc.max_connection_idle_ms": 2**31 - 1,  # for ever
            "grpc.max_concurrent_streams": 7,
            "grpc.max_receive_message_length": 1000,
            "grpc.so_reuseport": 1,
        },
        max_message_bytes=5,
    )
    limits = found.limits
    assert (limits.max_age_seconds, limits.idle_seconds, limits.max_concurrent_streams) == (1.5, 0, 7)
    assert (found.max_message_bytes, found.reuse_port, caplog.text) == (1000, True, "")


def test_nothing_said_is_the_defaults_with_room_for_two_of_the_largest_messages() -> None:
    assert ChannelArguments.read({}, max_message_bytes=5).limits == Limits()
    assert ChannelArguments.read({}, max_message_bytes=1 << 30).limits.max_held_bytes == 2 << 30


def test_options_that_do_nothing_are_told(caplog: pytest.LogCaptureFixture) -> None:
    ChannelArguments.read({"grpc.primary_user_agent": "me"}, max_message_bytes=5)
    assert "grpc.primary_user_agent does nothing" in caplog.text


@pytest.mark.parametrize("value", ["many", -1])
def test_what_is_no_number_is_refused(value: int | str) -> None:
    with pytest.raises(ServerError, match=r"grpc\.max_concurrent_streams=.*expected a number"):
        ChannelArguments.read({"grpc.max_concurrent_streams": value}, max_message_bytes=5)
