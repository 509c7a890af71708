"""FLOE as docs/FORMAT.md uses it: AES-256-GCM, HKDF-Expand-SHA-384, an IV of 32 bytes. https://c2sp.org/FLOE"""

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from errors import tampered, truncated

HEADER_BYTES = 74
NOT_LAST = 0xFFFFFFFF
OVERHEAD = 32  # length field 4, IV 12, tag 16


class FloeMessage:
    """A FLOE message whose header has been verified, and with it the associated data."""

    def __init__(self, data_key: bytes, floe_header: bytes, segment_length: int, associated_data: bytes):
        if len(floe_header) < HEADER_BYTES:
            raise truncated("the recording ends within a FLOE header")
        parameters, iv, tag = floe_header[:10], floe_header[10:42], floe_header[42:]
        if parameters != struct.pack(">BBII", 0, 0, segment_length, 32):
            raise tampered("other FLOE parameters than the header says")
        self._info = lambda purpose: parameters + iv + purpose + associated_data
        if not hmac.compare_digest(self._derive(data_key, b"HEADER_TAG:", 32), tag):
            raise tampered("the header is not the one that was authenticated")
        self.segment_length = segment_length
        self._message_key = self._derive(data_key, b"MESSAGE_KEY:", 48)
        self._epoch, self._cipher = None, None

    def decrypt_segment(self, index: int, segment: bytes, last: bool) -> bytes:
        """The plaintext of a whole segment, once its tag has verified."""
        try:
            return self._cipher_of(index).decrypt(segment[4:16], segment[16:], struct.pack(">QB", index, last))
        except InvalidTag:
            raise tampered(f"segment {index} does not verify") from None

    def _derive(self, key: bytes, purpose: bytes, length: int) -> bytes:
        return hmac.new(key, self._info(purpose) + b"\x01", hashlib.sha384).digest()[:length]

    def _cipher_of(self, index: int) -> AESGCM:
        epoch = index >> 20 << 20  # one key for each 2^20 segments
        if epoch != self._epoch:
            self._epoch = epoch
            self._cipher = AESGCM(self._derive(self._message_key, b"DEK:" + struct.pack(">Q", epoch), 32))
        return self._cipher


def decrypt_payload(message: FloeMessage, recording, trailer_length: int):
    """Gives the plaintext segment by segment, each verified; ends only where the recording rightly ends."""
    index = 0
    while True:
        start = recording.read(OVERHEAD)
        if len(start) < OVERHEAD:
            raise truncated("the recording ends without its last segment")
        length = int.from_bytes(start[:4], "big")
        last = length != NOT_LAST
        if not last:
            length = message.segment_length
        elif not OVERHEAD <= length <= message.segment_length:
            raise tampered(f"segment {index} has an impossible length")
        segment = start + recording.read(length - OVERHEAD)
        if len(segment) < length:
            raise truncated(f"the recording ends within segment {index}")
        yield message.decrypt_segment(index, segment, last)
        if last:
            return check_end(recording, trailer_length)
        index += 1


def check_end(recording, trailer_length: int) -> None:
    """What may follow the last segment: the announced trailer, whose content nobody has authenticated, and nothing else."""
    skip(recording, trailer_length, "trailer")
    if recording.read(1):
        raise tampered("there is something behind the end of the recording")


def skip(recording, length: int, what: str) -> None:
    while length > 0:
        skipped = len(recording.read(min(length, 65_536)))
        if skipped == 0:
            raise truncated(f"the recording ends within its {what}")
        length -= skipped
