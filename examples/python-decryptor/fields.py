"""Sequences of fields, of which headers, birth records and wrapped data keys are made."""

import re
import struct

from errors import invalid, too_new


def read_fields(data: bytes, known: dict, what: str) -> dict:
    """Values by number. @param known whether each number that this version knows has the critical bit"""
    fields, last, position = {}, 0, 0
    while position < len(data):
        if len(data) - position < 4:
            raise invalid(f"{what} ends within a field")
        tag, length = struct.unpack_from(">HH", data, position)
        number, critical = tag & 0x7FFF, bool(tag & 0x8000)
        if number <= last:
            raise invalid(f"{what} has fields out of order")
        if position + 4 + length > len(data):
            raise invalid(f"{what} ends within a field")
        if known.get(number, critical) != critical:
            raise invalid(f"field {number} of {what} has the wrong critical bit")
        if number in known:
            fields[number] = data[position + 4 : position + 4 + length]
        elif critical:
            # At once: what stands behind it may follow rules of a later version.
            raise too_new(f"{what} has the critical field {number} of a later version")
        last, position = number, position + 4 + length
    return fields


def required(fields: dict, number: int, what: str) -> bytes:
    if number not in fields:
        raise invalid(f"{what} has no field {number}")
    return fields[number]


def unsigned(value: bytes, length: int, what: str, least: int = 0, most: int = 2**53 - 1) -> int:
    number = int.from_bytes(value, "big")
    if len(value) != length or not least <= number <= most:
        raise invalid(f"{what} is no number from {least} to {most} in {length} bytes")
    return number


def text(value: bytes, what: str) -> str:
    try:
        decoded = value.decode("utf-8")
    except UnicodeDecodeError:
        raise invalid(f"{what} is not UTF-8") from None
    if decoded.startswith("\ufeff"):
        raise invalid(f"{what} begins with a byte order mark")
    return decoded


def text_like(value: bytes, pattern: str, what: str) -> str:
    decoded = text(value, what)
    if not re.fullmatch(pattern, decoded):
        raise invalid(f"{what} breaks its rule")
    return decoded


def free_text(value: bytes, most: int, what: str) -> str:
    """A text of 1 to `most` bytes without control characters."""
    if not 1 <= len(value) <= most:
        raise invalid(f"{what} does not have 1 to {most} bytes")
    return text_like(value, "[^\x00-\x1f\x7f-\x9f]*", what)
