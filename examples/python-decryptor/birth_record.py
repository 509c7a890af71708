"""Birth records of key pairs: docs/FORMAT.md, "Birth record"."""

import base64
import hashlib
import re
from dataclasses import dataclass

from errors import invalid, too_new
from fields import read_fields, required, text, unsigned

ORGANIZATION_ID = "[A-Za-z0-9][A-Za-z0-9._:@+=,-]{0,127}"
_KNOWN = {number: True for number in range(1, 12)} | {12: False}
_LATEST = 8_640_000_000_000_000
_ALIAS_ARN = (
    "arn:(aws|aws-us-gov|aws-cn):kms:([a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2}):[0-9]{12}"
    ":alias/(?!aws/)[A-Za-z0-9/_-]{1,250}"
)
_WORDS = {
    4: ("X25519", "RSA_2048", "RSA_3072", "RSA_4096"),
    8: ("daily", "weekly", "monthly", "yearly", "never"),
    11: ("key-pair", "test"),
}
_RULES = {
    1: ORGANIZATION_ID,
    2: "[A-Za-z0-9_-]{1,64}",
    7: _ALIAS_ARN,
    10: "(?!(?i:aws:|recording-keystore:))[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}",
}


@dataclass(frozen=True)
class BirthRecord:
    data: bytes
    organization_id: str
    key_pair_id: str
    spec: str
    context_key_name: str
    purpose: str

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.data).digest()

    def encryption_context(self, purpose: str) -> dict:
        """With which KMS decrypts what belongs to the pair. @param purpose "private-key" or "attestation\""""
        return {
            self.context_key_name: self.organization_id,
            "recording-keystore:purpose": purpose,
            "recording-keystore:birth-record": base64.urlsafe_b64encode(self.digest).rstrip(b"=").decode(),
        }


def read_birth_record(data: bytes) -> BirthRecord:
    what = "birth record"
    if data[:6] != b"RKSKEY" or len(data) < 8:
        raise invalid("no birth record")
    if data[6:8] != b"\x00\x01":
        raise too_new("birth record of another version")
    fields = read_fields(data[8:], _KNOWN, what)

    # Three passes: how values are encoded, then words of later versions, then the rules, which later versions may change.
    texts = {number: text(required(fields, number, what), f"field {number}") for number in (1, 2, 4, 7, 8, 10, 11)}
    numbers = {number: unsigned(required(fields, number, what), 8, f"field {number}") for number in (3, 5, 9)}
    text(fields.get(12, b""), "reason")
    for number, words in _WORDS.items():
        if texts[number] not in words:
            raise too_new(f"field {number} of the birth record is of a later version")
    for number, rule in _RULES.items():
        if not re.fullmatch(rule, texts[number]):
            raise invalid(f"field {number} of the birth record breaks its rule")
    _check_region(texts[7])
    if not 1 <= numbers[3] <= 2**53 - 2 or max(numbers[5], numbers[9]) > _LATEST:
        raise invalid("a number in the birth record is out of range")
    if (6 in fields) != (numbers[3] > 1) or len(fields.get(6, bytes(32))) != 32:
        raise invalid("digest of the previous birth record does not fit the sequence")
    return BirthRecord(data, texts[1], texts[2], texts[4], texts[10], texts[11])


def _check_region(alias_arn: str) -> None:
    partition, region = re.fullmatch(_ALIAS_ARN, alias_arn).groups()
    of_region = "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"
    if partition != of_region:
        raise invalid("alias ARN with a Region of another partition")
