"""
What examples/python-decryptor says of bytes: judge.py FOLDER

Reads lines `KIND BASE64` from standard input; prints for each `taken` (for a recording the SHA-256 of its plaintext), or
an error's code.
"""

import base64
import hashlib
import io
import sys

sys.path.insert(0, sys.argv[1])

from birth_record import read_birth_record  # noqa: E402
from canonical_json import read_canonical_object  # noqa: E402
from errors import RecordingError  # noqa: E402
from key_pairs import KeyPairs  # noqa: E402
from recording import open_recording  # noqa: E402

DATA_KEY = bytes([7]) * 32


class Told:
    data_key = staticmethod(lambda header: DATA_KEY)


def decrypt(key_arn, ciphertext, context):
    """The ciphertexts of these tests are the private half behind its context, in text."""
    written = "|".join(f"{name}={value}" for name, value in sorted(context.items())).encode() + b"|"
    if not ciphertext.startswith(written):
        raise RecordingError("ERR_KMS_REJECTED", "not what KMS encrypted")
    return ciphertext[len(written) :]


def recording(data: bytes, data_key_of, *expected) -> str:
    opened = open_recording(io.BytesIO(data), data_key_of, *expected)
    digest = hashlib.sha256()
    for plaintext in opened.plaintext:
        digest.update(plaintext)
    return digest.hexdigest()


def judge(kind: str, data: bytes) -> str:
    if kind == "recording":
        return recording(data, Told.data_key, None)
    if kind == "birth-record":
        read_birth_record(data)
    elif kind == "json":
        read_canonical_object(data)
    else:
        # A new one each time, which remembers no private half.
        keys = KeyPairs(decrypt, {"arn:aws:kms:eu-west-1:111122223333:key/1"})
        return recording(data, keys.data_key, "org-1", "recording-1", "main")
    return "taken"


for line in sys.stdin:
    kind, data = line.split()
    try:
        print(judge(kind, base64.b64decode(data)))
    except RecordingError as error:
        print(error.code)
