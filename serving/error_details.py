"""What a StatusError says beside its text, as google.rpc has it (google/rpc/error_details.proto)."""

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from serving.status import StatusError

KEY = "grpc-status-details-bin"
"""The trailing metadata in which gRPC's libraries look for a google.rpc.Status."""
_MAX_BYTES = 800  # of a text, three of which travel in a header, in base64; clients limit all of them to 8 kB


def details_of(error: StatusError) -> bytes | None:
    """Return a serialized google.rpc.Status with the field that is wrong and when to try again; None of neither."""
    details = []
    if error.field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(error.field), description=_cut(error.message)
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after is not None:
        delay = Duration(nanos=round(error.retry_after % 1 * 1e9), seconds=int(error.retry_after))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if not details:
        return None
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=int(error.code), message=_cut(error.message), details=packed)
    return bytes(status.SerializeToString())


def _cut(text: str) -> str:
    return text.encode(errors="replace")[:_MAX_BYTES].decode(errors="ignore")
