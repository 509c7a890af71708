"""Controls an in-memory KMS (`npx recording-keystore kms`) from Python. Needs no packages."""

import json
import urllib.parse
import urllib.request


class KmsControl:
    def __init__(self, url):
        self._url = url.rstrip("/") + "/_kms/"

    def health(self):
        return self._send("GET", "health")

    def inject(self, kind, **options):
        """Begins a fault, such as inject("throttling", operation="Decrypt", times=3)."""
        return self._send("POST", "faults", {"kind": kind, **options})

    def remove(self, fault):
        self._send("DELETE", "faults/" + fault["id"])

    def heal(self):
        self._send("DELETE", "faults")

    def advance(self, milliseconds):
        """Lets time pass, and says what time it is then."""
        return self._send("POST", "clock", {"advance": milliseconds})["now"]

    def calls(self, **filters):
        return self._send("GET", "journal?" + urllib.parse.urlencode(filters))["calls"]

    def snapshot(self):
        return self._send("GET", "snapshot")

    def restore(self, snapshot):
        self._send("PUT", "snapshot", snapshot)

    def reset(self):
        self._send("POST", "reset")

    def _send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"x-kms-control": "python", "content-type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)
