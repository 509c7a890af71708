"""Data keys: by the wrapped private half in the recording or in a key pair store, which KMS unwraps."""

from typing import Callable, Optional

import nacl.exceptions
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from nacl.public import PrivateKey, SealedBox

from birth_record import BirthRecord, read_birth_record
from errors import RecordingError, mismatch, tampered, untrusted
from header import Header, WrappedDataKey
from store_records import StoreRecords, Wrapping

_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


class KeyPairs:
    """
    Opens data keys. Private halves stay in memory as long as this object: KMS is asked once for each key pair, however
    many recordings it opens.
    """

    def __init__(self, decrypt: Callable, trusted_kms_keys: set, records: Optional[StoreRecords] = None):
        """
        @param decrypt (key ARN, ciphertext, encryption context) to plaintext, by KMS
        @param trusted_kms_keys ARNs; what a recording or a store names only selects among them
        """
        self._decrypt = decrypt
        self._trusted = trusted_kms_keys
        self._records = records or StoreRecords()
        self._private_halves = {}

    def data_key(self, header: Header) -> bytes:
        """By the first wrapped data key that opens. Otherwise the first one's reason, or a later one that may pass."""
        reason = None
        for wrapped in filter(None, header.wrapped_data_keys):
            try:
                return open_data_key(self._private_half_for(wrapped, header.organization_id), wrapped.data_key)
            except RecordingError as error:
                if reason is None or (error.passes and not reason.passes):
                    reason = error
        raise reason

    def _private_half_for(self, wrapped: WrappedDataKey, organization_id: str):
        birth_record = read_birth_record(wrapped.birth_record)
        if birth_record.organization_id != organization_id:
            raise mismatch("the key pair is another organization's")
        if birth_record.purpose != "key-pair":
            raise untrusted("the key pair was made for a test")
        if birth_record.digest not in self._private_halves:
            self._private_halves[birth_record.digest] = self._private_half(birth_record, wrapped)
        return self._private_halves[birth_record.digest]

    def _private_half(self, birth_record: BirthRecord, wrapped: WrappedDataKey):
        stored = self._records.pair(birth_record.organization_id, birth_record.key_pair_id)
        if stored and stored.birth_record.data != birth_record.data:
            raise tampered("the birth record is not that of the stored key pair")
        wrappings = self._records.wrappings(stored) if stored else _embedded(wrapped)
        reason = None
        for wrapping in wrappings:
            if wrapping.kms_key_arn not in self._trusted:
                continue
            try:
                return self._unwrap(birth_record, wrapping, stored and stored.public_key)
            except RecordingError as error:
                reason = reason or error
        if not wrappings:
            raise RecordingError("ERR_KEY_PAIR_NOT_FOUND", "the recording carries no private half: give a --store")
        named = ", ".join(wrapping.kms_key_arn for wrapping in wrappings)
        raise reason or untrusted(f"the key pair is under {named}, which no --kms-key names")

    def _unwrap(self, birth_record: BirthRecord, wrapping: Wrapping, public_key: Optional[bytes]):
        context = birth_record.encryption_context("private-key")
        plaintext = self._decrypt(wrapping.kms_key_arn, wrapping.ciphertext, context)
        private_half = read_private_half(birth_record.spec, plaintext)
        if public_key is not None and public_half(private_half) != public_key:
            raise untrusted("the private half is not that of the stored public key")
        return private_half


def _embedded(wrapped: WrappedDataKey) -> list:
    return [Wrapping(wrapped.kms_key_arn, wrapped.private_half)] if wrapped.private_half else []


def read_private_half(spec: str, plaintext: bytes):
    if spec == "X25519":
        if len(plaintext) != 32:
            raise untrusted("KMS gave no X25519 private key")
        return PrivateKey(plaintext)
    try:
        key = serialization.load_der_private_key(plaintext, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey) or f"RSA_{key.key_size}" != spec:
        raise untrusted(f"KMS gave no {spec} private key")
    return key


def public_half(private_half) -> bytes:
    """32 raw bytes (X25519), or SPKI DER (RSA)."""
    if isinstance(private_half, PrivateKey):
        return bytes(private_half.public_key)
    return private_half.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def open_data_key(private_half, wrapped: bytes) -> bytes:
    try:
        if isinstance(private_half, PrivateKey):
            data_key = SealedBox(private_half).decrypt(wrapped)
        else:
            data_key = private_half.decrypt(wrapped, _OAEP)
    except (ValueError, nacl.exceptions.CryptoError):
        data_key = b""
    if len(data_key) != 32:
        raise tampered("the wrapped data key does not open")
    return data_key
