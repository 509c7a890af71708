"""JSON texts of which there is only one for each value: RFC 8785 in recordings, ECMAScript's JSON.stringify in stores."""

import json
import math
import re
from decimal import Decimal

from errors import invalid

DEEPEST = 100
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def read_canonical_object(data: bytes) -> dict:
    """The JSON object whose RFC 8785 text these bytes are, no deeper than 100."""
    return _read(data, lambda value: _write(value, DEEPEST, sort=True))


def read_stringified_object(data: bytes) -> dict:
    """The JSON object whose JSON.stringify text these bytes are."""
    return _read(data, lambda value: _write(value, math.inf, sort=False))


def _read(data: bytes, write) -> dict:
    """Reads, writes again and compares: white space, doubled members and other spellings all show."""
    try:
        # Every number of JSON is a double here, as in ECMAScript; an integer of Python would keep digits that a double has not.
        value = json.loads(data.decode("utf-8"), parse_int=float)
        text = write(value).encode("utf-8")
    except (ValueError, RecursionError):
        raise invalid("no JSON text") from None
    if not isinstance(value, dict) or text != data:
        raise invalid("no JSON object in its one form")
    return value


def _write(value, depth_left: float, sort: bool) -> str:
    """@param depth_left how many more objects and lists the value may lie in, it included in none of them."""
    if depth_left < 0:
        raise ValueError("too deep")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return _string(value, escape_surrogates=not sort)
    if isinstance(value, list):
        return "[" + ",".join(_write(each, depth_left - 1, sort) for each in value) + "]"
    # RFC 8785 sorts by UTF-16 code units, in which an emoji comes before U+FFFD; Python sorts by code points.
    names = sorted(value, key=lambda name: name.encode("utf-16-be")) if sort else _insertion_order(value)
    members = (
        _string(name, escape_surrogates=not sort) + ":" + _write(value[name], depth_left - 1, sort) for name in names
    )
    return "{" + ",".join(members) + "}"


def _insertion_order(value: dict) -> list:
    """As JSON.stringify has it: names that are array indices first, by their number."""
    indices = [name for name in value if re.fullmatch("0|[1-9][0-9]{0,9}", name) and int(name) < 2**32 - 1]
    return sorted(indices, key=int) + [name for name in value if name not in set(indices)]


def _string(text: str, escape_surrogates: bool) -> str:
    # A lone surrogate has no place in RFC 8785: encoding the text as UTF-8 fails on it.
    special = '["\\\\\x00-\x1f\ud800-\udfff]' if escape_surrogates else '["\\\\\x00-\x1f]'
    return '"' + re.sub(special, lambda found: _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), text) + '"'


def _number(value: float) -> str:
    """ECMAScript's Number::toString. Python finds the same shortest digits, but places point and exponent differently."""
    if not math.isfinite(value):
        raise ValueError("no number of JSON")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    _, all_digits, exponent = Decimal(repr(abs(value))).as_tuple()
    point = len(all_digits) + exponent  # position of the decimal point behind the first digit's left edge
    digits = "".join(map(str, all_digits)).rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = f"e{point - 1:+d}"
    return sign + digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + power
