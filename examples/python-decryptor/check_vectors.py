#!/usr/bin/python3
"""
Holds this program against test vectors: check_vectors.py FILE…

Prints one line of JSON: how many of each kind came out as the vectors say, and what did not.
"""

import base64
import io
import json
import os
import sys
import tempfile

from birth_record import read_birth_record
from errors import RecordingError
from header import read_header
from key_pairs import KeyPairs, open_data_key, read_private_half
from open_recordings import decrypt_to_folder
from store_records import StoreRecords


class Check:
    def __init__(self):
        self.counts = {}
        self.wrong = []

    def that(self, kind: str, name: str, holds: bool, found="") -> None:
        self.counts[kind] = self.counts.get(kind, 0) + bool(holds)
        if not holds:
            self.wrong.append(f"{kind}, {name}: {found}")


class ToldKey:
    """In place of KeyPairs, where vectors give no answer of KMS."""

    def __init__(self, data_key_of):
        self.data_key = data_key_of


def plaintext_of(size: int) -> bytes:
    return bytes((31 * index + 7) % 251 for index in range(size))


def decrypt(recording: bytes, keys, organization_id=None):
    """Result or code of error, and what lies in the folder afterwards."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as target:
        path = os.path.join(folder, "recording.rksrec")
        with open(path, "wb") as file:
            file.write(recording)
        try:
            result = decrypt_to_folder(path, target, keys, organization_id)
        except RecordingError as error:
            return error.code, os.listdir(target)
        with open(result["plaintext"], "rb") as file:
            return result, file.read()


def check_recording(check: Check, vector: dict) -> None:
    told = read_birth_record(bytes.fromhex(vector["birthRecord"]["bytes"]))
    used = []

    def data_key_of(header):
        for wrapped in header.wrapped_data_keys:
            if wrapped and wrapped.birth_record == told.data:
                private_half = read_private_half(told.spec, bytes.fromhex(vector["privateKey"]))
                used.append(open_data_key(private_half, wrapped.data_key))
                return used[0]
        raise AssertionError("no data key is wrapped for the vector's pair")

    result, plaintext = decrypt(base64.b64decode(vector["recording"]), ToldKey(data_key_of), told.organization_id)
    name = vector["name"]
    check.that("recordings", name, plaintext == plaintext_of(vector["plaintextSize"]), result)
    check.that("data keys", name, used and used[0].hex() == vector["dataKey"])
    check.that("contexts", name, told.encryption_context("private-key") == vector["encryptionContext"])
    if "metadata" in vector:
        check.that("metadata", name, result["metadata"] == json.loads(vector["metadata"]), result)


def check_key_pair(check: Check, vector: dict) -> None:
    """A recording opened by the records of a store and KMS's answers: by the pair's own wrapping, then by the further one."""
    records = StoreRecords()
    for record in (vector["record"], vector["furtherWrapping"]["record"], vector["head"]):
        records.add(record.encode())
    birth_record = read_birth_record(bytes.fromhex(vector["birthRecord"]))
    pair = records.pair(birth_record.organization_id, birth_record.key_pair_id)

    def kms(key_arn, ciphertext, context):
        for answer in vector["kmsDecrypt"]:
            if (answer["kmsKeyArn"], answer["ciphertext"], answer["encryptionContext"]) == (
                key_arn,
                ciphertext.hex(),
                context,
            ):
                return bytes.fromhex(answer["plaintext"])
        raise RecordingError("ERR_KMS_REFUSED", "no such ciphertext", passes=True)

    for wrapping in records.wrappings(pair):
        keys = KeyPairs(kms, {wrapping.kms_key_arn}, records)
        result, plaintext = decrypt(base64.b64decode(vector["recording"]), keys, birth_record.organization_id)
        size = len(plaintext)
        holds = not isinstance(result, str) and plaintext == plaintext_of(size) and size > 0
        check.that("key pairs", vector["name"], holds, result)
    attestation = kms(
        pair.attestation.kms_key_arn, pair.attestation.ciphertext, birth_record.encryption_context("attestation")
    )
    check.that("attestations", vector["name"], attestation == pair.attested)


def check_refused(check: Check, vector: dict) -> None:
    keys = ToldKey(lambda header: bytes.fromhex(vector["dataKey"]))
    code, left = decrypt(base64.b64decode(vector["recording"]), keys)
    check.that("refused recordings", vector["name"], (code, left) == (vector["code"], []), (code, left))


def check_refused_text(check: Check, kind: str, vector: dict, read) -> None:
    try:
        read()
        code = "accepted"
    except RecordingError as error:
        code = error.code
    check.that(kind, vector["name"], code == vector["code"], code)


def main(paths) -> int:
    check = Check()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            vectors = json.load(file)
        for vector in vectors["recordings"]:
            check_recording(check, vector)
        for vector in vectors["refused"]:
            check_refused(check, vector)
        for vector in vectors.get("keyPairs", []):
            check_key_pair(check, vector)
        for vector in vectors.get("refusedBirthRecords", []):
            data = bytes.fromhex(vector["bytes"])
            check_refused_text(check, "refused birth records", vector, lambda: read_birth_record(data))
        for vector in vectors.get("refusedHeaders", []):
            file = io.BytesIO(bytes.fromhex(vector["header"]))
            check_refused_text(check, "refused headers", vector, lambda: read_header(file))
    print(json.dumps({"held": check.counts, "wrong": check.wrong}))
    return 1 if check.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
