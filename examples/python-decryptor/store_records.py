"""Key pair records of a store, for recordings that do not carry their wrapped private half (`selfContained: false`)."""

import base64
import hashlib
import os
from dataclasses import dataclass
from typing import Iterator, Optional

from birth_record import BirthRecord, read_birth_record
from canonical_json import read_stringified_object
from errors import RecordingError, too_new

_MOST_BYTES = 65_536
_OF_FILE_STORE = b"recording-keystore 1 "
_KNOWN = {"version", "kind", "critical", "birthRecord", "publicKey", "wrapping", "attestation", "digest"}


@dataclass(frozen=True)
class Wrapping:
    kms_key_arn: str
    ciphertext: bytes


@dataclass(frozen=True)
class StoredPair:
    birth_record: BirthRecord
    public_key: bytes
    wrapping: Wrapping
    attestation: Wrapping

    @property
    def attested(self) -> bytes:
        """What the attestation's plaintext is, if KMS vouches for the pair."""
        digest = hashlib.sha256(b"recording-keystore attestation v1\x00")
        parts = (self.birth_record.data, self.public_key, self.wrapping.kms_key_arn.encode(), self.wrapping.ciphertext)
        for part in parts:
            digest.update(len(part).to_bytes(4, "big") + part)
        return digest.digest()


class StoreRecords:
    """Pairs and further wrappings. Nothing in them is believed: KMS gives a private half only for the right birth record."""

    def __init__(self):
        self._pairs = {}
        self._wrappings = {}

    def add(self, data: bytes) -> None:
        """A record's text, as any store keeps it, or a file of the file store. Of other kinds than these two it takes none."""
        if data.startswith(_OF_FILE_STORE):
            data = _of_file_store(data)
        if len(data) > _MOST_BYTES:
            raise _corrupt("a record of more than 65,536 bytes")
        record = read_stringified_object(data)
        if record.get("kind") not in ("keyPair", "wrapping"):
            return
        if record.get("version") != 1 or not isinstance(record.get("critical"), list):
            raise too_new("record of another version")
        if not _KNOWN.issuperset(map(str, record["critical"])):
            raise too_new("record with a critical member of a later version")
        try:
            self._add(record)
        except (KeyError, TypeError, ValueError):
            raise _corrupt("a record lacks a member, or has another kind of value in it") from None

    def pair(self, organization_id: str, key_pair_id: str) -> Optional[StoredPair]:
        return self._pairs.get((organization_id, key_pair_id))

    def wrappings(self, pair: StoredPair) -> list:
        """The pair's own one first."""
        return [pair.wrapping, *self._wrappings.get(pair.birth_record.digest, [])]

    def _add(self, record: dict) -> None:
        wrapping = _wrapping(record["wrapping"])
        if record["kind"] == "wrapping":
            self._wrappings.setdefault(_base64(record["digest"]), []).append(wrapping)
            return
        birth_record = read_birth_record(_base64(record["birthRecord"]))
        attestation = _wrapping(record["attestation"])
        pair = StoredPair(birth_record, _base64(record["publicKey"]), wrapping, attestation)
        self._pairs[birth_record.organization_id, birth_record.key_pair_id] = pair


def read_records(path: str) -> StoreRecords:
    """From a file with one record, or from a folder, such as a file store's, with any number. Other files are skipped."""
    records = StoreRecords()
    for name in _files(path):
        with open(name, "rb") as file:
            data = file.read(2 * _MOST_BYTES)
        if data.startswith((_OF_FILE_STORE, b"{")):
            records.add(data)
    return records


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
    for folder, _, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in sorted(names))


def _of_file_store(data: bytes) -> bytes:
    first, _, rest = data.partition(b"\n")
    if first[len(_OF_FILE_STORE) :].decode("latin-1") != hashlib.sha256(rest).hexdigest():
        raise _corrupt("a file of the store does not match its checksum")
    return rest.partition(b"\n")[2]


def _wrapping(value: dict) -> Wrapping:
    if not isinstance(value["kmsKeyArn"], str):
        raise TypeError
    return Wrapping(value["kmsKeyArn"], _base64(value["ciphertext"]))


def _base64(value: str) -> bytes:
    """Base64 in its one form: decoding alone would ignore the unused bits of the last letter."""
    data = base64.b64decode(value, validate=True)
    if base64.b64encode(data).decode() != value:
        raise ValueError
    return data


def _corrupt(message: str) -> RecordingError:
    return RecordingError("ERR_STORE_CORRUPT", message)
