#!/usr/bin/python3
"""
Opens recordings of recording-keystore with nothing but the recordings and the organization's KMS key.

    open_recordings.py --inspect call-1.rksrec
    open_recordings.py --organization northwind-energy --kms-key arn:aws:kms:… --to FOLDER *.rksrec

Prints one line of JSON for each recording that opened; its plaintext then lies in FOLDER, whole and verified.
"""

import argparse
import json
import os
import signal
import sys
import tempfile

from errors import RecordingError
from header import read_header
from recording import open_recording

EXTENSION = ".rksrec"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that no half file stays behind
    act = inspect if options.inspect else _opener(options)
    failures = 0
    for path in options.recordings:
        try:
            print(json.dumps(act(path), ensure_ascii=False), flush=True)
        except (RecordingError, OSError) as error:
            failures += 1
            print(f"{path}: {error}", file=sys.stderr, flush=True)
    return 1 if failures else 0


def inspect(path: str) -> dict:
    """What a header says. Nobody has authenticated it: it tells where to look for a key, and no more."""
    with open(path, "rb") as file:
        header = read_header(file)
    arns = [wrapped.kms_key_arn for wrapped in header.wrapped_data_keys if wrapped]
    return {"recording": path, **_identity(header), "kmsKeys": arns}


def decrypt_to_folder(path: str, folder: str, keys, organization_id: str, recording_id=None, asset=None) -> dict:
    """Decrypts a recording to a file that appears only once its last segment has verified."""
    name = os.path.basename(path)
    target = os.path.join(folder, name[: -len(EXTENSION)] if name.endswith(EXTENSION) else name + ".decrypted")
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists")
    # Beside the target, so that the move is one step of the file system; readable by this user alone.
    handle, unfinished = tempfile.mkstemp(dir=folder, prefix=".unfinished-")
    try:
        with open(path, "rb") as recording, open(handle, "wb") as output:
            opened = open_recording(recording, keys.data_key, organization_id, recording_id, asset)
            size = sum(output.write(plaintext) for plaintext in opened.plaintext)
            output.flush()
            os.fsync(output.fileno())
        os.replace(unfinished, target)
    except BaseException:
        os.unlink(unfinished)
        raise
    result = {"recording": path, "plaintext": target, "bytes": size, **_identity(opened.header)}
    return result if opened.metadata is None else {**result, "metadata": opened.metadata}


def _identity(header) -> dict:
    return {
        "organizationId": header.organization_id,
        "recordingId": header.recording_id,
        "asset": header.asset,
        "confirmedKey": header.confirmed,
        "publicMetadata": header.public_metadata,
    }


def _opener(options):
    # Imported here: inspecting a header needs neither libsodium nor boto3.
    from aws_kms import decrypt_with_kms
    from key_pairs import KeyPairs
    from store_records import read_records

    records = read_records(options.store) if options.store else None
    keys = KeyPairs(decrypt_with_kms(options.endpoint_url), set(options.kms_key), records)
    return lambda path: decrypt_to_folder(
        path, options.to, keys, options.organization, options.recording_id, options.asset
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Opens recordings of recording-keystore by their KMS key alone.")
    parser.add_argument("recordings", nargs="+", metavar="RECORDING")
    parser.add_argument("--inspect", action="store_true", help="print what the headers say; needs no key")
    parser.add_argument("--organization", metavar="ID", help="whose recordings they are")
    parser.add_argument("--kms-key", action="append", default=[], metavar="ARN", help="a KMS key you trust; repeatable")
    parser.add_argument("--to", default=".", metavar="FOLDER", help="where the plaintext goes; here by default")
    parser.add_argument("--recording-id", metavar="ID", help="refuse any other; otherwise see what is printed")
    parser.add_argument("--asset", metavar="NAME", help="refuse any other; otherwise see what is printed")
    parser.add_argument("--store", metavar="PATH", help="key pair records, for recordings without embedded keys")
    parser.add_argument("--endpoint-url", metavar="URL", help="another endpoint of KMS than AWS's own")
    options = parser.parse_args()
    if not options.inspect and not (options.organization and options.kms_key):
        parser.error("--organization and --kms-key are needed, unless with --inspect")
    return options


if __name__ == "__main__":
    sys.exit(main())
