"""What can be wrong with a recording or its keys, by the codes of docs/FORMAT.md and docs/errors.md."""


class RecordingError(Exception):
    """A recording that does not open. `passes`: the reason may pass by itself, such as KMS being away."""

    def __init__(self, code: str, message: str, passes: bool = False):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.passes = passes


def invalid(message: str) -> RecordingError:
    return RecordingError("ERR_FORMAT_INVALID", message)


def too_new(message: str) -> RecordingError:
    return RecordingError("ERR_FORMAT_TOO_NEW", message)


def mismatch(message: str) -> RecordingError:
    return RecordingError("ERR_RECORDING_MISMATCH", message)


def tampered(message: str) -> RecordingError:
    return RecordingError("ERR_RECORDING_TAMPERED", message)


def truncated(message: str) -> RecordingError:
    return RecordingError("ERR_RECORDING_TRUNCATED", message)


def untrusted(message: str) -> RecordingError:
    return RecordingError("ERR_KEY_PAIR_UNTRUSTED", message)
