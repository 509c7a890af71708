"""Run by: KMS_URL=http://127.0.0.1:8080 python3 -m unittest"""

import os
import unittest

from kms_control import KmsControl

DAY = 86_400_000


class InMemoryKms(unittest.TestCase):
    def setUp(self):
        self.kms = KmsControl(os.environ["KMS_URL"])
        self.kms.reset()

    def test_it_runs(self):
        self.assertEqual(self.kms.health(), {"status": "running"})

    def test_faults_begin_and_end(self):
        fault = self.kms.inject("throttling", operation="Decrypt", times=3)
        self.assertEqual(fault["hits"], 0)  # here: your code, with boto3's endpoint_url at the same URL
        self.kms.remove(fault)
        self.kms.inject("connection-refused")
        self.kms.heal()

    def test_time_passes(self):
        before = self.kms.advance(0)
        self.assertGreaterEqual(self.kms.advance(8 * DAY), before + 8 * DAY)

    def test_keys_are_kept_and_put_back(self):
        kept = self.kms.snapshot()
        self.assertEqual([alias["name"] for alias in kept["aliases"]], ["alias/recordings"])
        self.kms.restore(kept)
        self.assertEqual(self.kms.calls(operation="Decrypt"), [])


if __name__ == "__main__":
    unittest.main()
