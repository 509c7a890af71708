"""The header of a recording: docs/FORMAT.md, "Header"."""

from dataclasses import dataclass
from typing import Optional

from birth_record import ORGANIZATION_ID
from canonical_json import read_canonical_object
from errors import RecordingError, invalid, mismatch, too_new, truncated
from fields import free_text, read_fields, required, text, text_like, unsigned

MOST_BYTES = 32_768
FLOE_HEADER_BYTES = 74
_KNOWN = {1: True, 2: True, 3: True, 4: True, 5: True, 6: False, 7: False, 8: True, 9: False, 10: False, 11: True, 12: True}
_KNOWN_OF_DATA_KEY = {1: True, 2: True, 3: False, 4: False}


@dataclass(frozen=True)
class WrappedDataKey:
    birth_record: bytes
    data_key: bytes
    kms_key_arn: Optional[str]
    private_half: Optional[bytes]


@dataclass(frozen=True)
class Header:
    data: bytes
    organization_id: str
    recording_id: str
    asset: str
    wrapped_data_keys: list  # of WrappedDataKey, or None where one is of a later version
    segment_length: int
    confirmed: bool
    public_metadata: Optional[dict]
    metadata_length: int
    reserved_length: int
    trailer_length: int

    def check(self, organization_id: Optional[str], recording_id: Optional[str], asset: Optional[str]) -> None:
        """Compares with what the caller expects; None expects nothing."""
        for what, expected in (("organization_id", organization_id), ("recording_id", recording_id), ("asset", asset)):
            if expected is not None and getattr(self, what) != expected:
                raise mismatch(f"another {what.replace('_', ' ')} than expected")


def read_header(recording) -> Header:
    """@param recording a binary file, read up to the end of the header"""
    start = recording.read(12)
    if not b"RKSREC".startswith(start[:6]):
        raise invalid("no recording of recording-keystore")
    if len(start) >= 8 and start[6:8] != b"\x00\x01":
        raise too_new("recording of another version")
    if len(start) < 12:
        raise truncated("the recording ends within its header")
    length = int.from_bytes(start[8:12], "big")
    if 12 + length > MOST_BYTES:
        raise invalid(f"header of more than {MOST_BYTES} bytes")
    rest = recording.read(length)
    if len(rest) < length:
        raise truncated("the recording ends within its header")
    return _of_fields(start + rest, read_fields(rest, _KNOWN, "header"))


def _of_fields(data: bytes, fields: dict) -> Header:
    field = lambda number: required(fields, number, "header")  # noqa: E731
    length = lambda number: unsigned(fields[number], 4, f"field {number}", 1, 2**24) if number in fields else 0  # noqa: E731
    confirmation = unsigned(field(6), 1, "confirmation", 1, 2)
    header = Header(
        data=data,
        organization_id=text_like(field(1), ORGANIZATION_ID, "organization id"),
        recording_id=free_text(field(2), 1024, "recording id"),
        asset=free_text(field(3), 128, "asset"),
        wrapped_data_keys=_wrapped_data_keys(field(4)),
        segment_length=unsigned(field(5), 4, "segment length", 4096, 16_777_248),
        confirmed=confirmation == 1,
        public_metadata=_public_metadata(fields.get(7)),
        metadata_length=_metadata_length(fields.get(8)),
        reserved_length=length(11),
        trailer_length=length(12),
    )
    _check_padding(header, field(10))
    if not any(header.wrapped_data_keys):
        raise too_new("all wrapped data keys are of a later version")
    return header


def _wrapped_data_keys(value: bytes) -> list:
    keys, position = [], 0
    while position < len(value):
        length = int.from_bytes(value[position : position + 2], "big")
        one = value[position + 2 : position + 2 + length]
        if len(value) - position < 2 or len(one) < length:
            raise invalid("a wrapped data key is cut short")
        keys.append(_wrapped_data_key(one))
        position += 2 + length
    if not 1 <= len(keys) <= 8:
        raise invalid("not 1 to 8 wrapped data keys")
    return keys


def _wrapped_data_key(data: bytes) -> Optional[WrappedDataKey]:
    what = "wrapped data key"
    try:
        fields = read_fields(data, _KNOWN_OF_DATA_KEY, what)
    except RecordingError as error:
        if error.code == "ERR_FORMAT_TOO_NEW":
            return None
        raise
    arn, private_half = fields.get(3), fields.get(4)
    if (arn is None) != (private_half is None):
        raise invalid("a wrapped private half without its ARN, or the reverse")
    if private_half is not None and not 1 <= len(private_half) <= 6144:
        raise invalid("a wrapped private half does not have 1 to 6,144 bytes")
    return WrappedDataKey(
        birth_record=required(fields, 1, what),
        data_key=required(fields, 2, what),
        kms_key_arn=None if arn is None else text(arn, "ARN of the KMS key"),
        private_half=private_half,
    )


def _public_metadata(value: Optional[bytes]) -> Optional[dict]:
    if value is None:
        return None
    if len(value) > 8192:
        raise invalid("public metadata of more than 8,192 bytes")
    return read_canonical_object(value)


def _metadata_length(value: Optional[bytes]) -> int:
    if value is None:
        return 0
    length = unsigned(value, 4, "length of the metadata section", 106 + 256, 106 + 256 * 256)
    if (length - 106) % 256:
        raise invalid("length of the metadata section is not 106 + 256 k")
    return length


def _check_padding(header: Header, padding: bytes) -> None:
    before_ciphertext = len(header.data) + header.metadata_length + header.reserved_length + FLOE_HEADER_BYTES + 16
    if len(padding) > 31 or any(padding) or before_ciphertext % 32:
        raise invalid("padding that does not align")
