"""From the bytes of a recording and its data key to plaintext, with the checks of docs/FORMAT.md in their order."""

from typing import Callable, Iterator, Optional

from canonical_json import read_canonical_object
from errors import invalid, tampered, truncated
from floe import HEADER_BYTES, FloeMessage, decrypt_payload, skip
from header import Header, read_header

METADATA_SEGMENT_LENGTH = 65_568
METADATA_LABEL = b"recording-keystore metadata v1"


class OpenedRecording:
    """A recording whose header, and metadata if it has any, have been verified; `plaintext` is not read yet."""

    def __init__(self, header: Header, metadata: Optional[dict], plaintext: Iterator[bytes]):
        self.header = header
        self.metadata = metadata
        self.plaintext = plaintext


def open_recording(
    recording,
    data_key_of: Callable[[Header], bytes],
    organization_id: Optional[str],
    recording_id: Optional[str] = None,
    asset: Optional[str] = None,
) -> OpenedRecording:
    """
    @param recording a buffered binary file, so that a read gives fewer bytes than asked for only at the end
    @param data_key_of gives the data key of a header that is not yet authenticated, by a key that the caller trusts
    """
    header = read_header(recording)
    header.check(organization_id, recording_id, asset)
    data_key = data_key_of(header)

    section = recording.read(header.metadata_length)
    if len(section) < header.metadata_length:
        raise truncated("the recording ends within its metadata")
    skip(recording, header.reserved_length, "reserved section")
    payload = FloeMessage(data_key, recording.read(HEADER_BYTES), header.segment_length, header.data)
    metadata = _read_metadata(data_key, section, header) if section else None
    return OpenedRecording(header, metadata, decrypt_payload(payload, recording, header.trailer_length))


def _read_metadata(data_key: bytes, section: bytes, header: Header) -> dict:
    message = FloeMessage(data_key, section[:HEADER_BYTES], METADATA_SEGMENT_LENGTH, header.data + METADATA_LABEL)
    segment = section[HEADER_BYTES:]
    if int.from_bytes(segment[:4], "big") != len(segment):
        raise tampered("the metadata section has another length than the header says")
    padded = message.decrypt_segment(0, segment, last=True)
    text = padded.rstrip(b" ")
    if len(padded) != -(-len(text) // 256) * 256:
        raise invalid("metadata is not padded to the next multiple of 256 bytes")
    return read_canonical_object(text)
