"""kms:Decrypt by boto3, with credentials, profile and proxies from where boto3 always takes them."""

from typing import Callable, Optional

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from errors import RecordingError

_NOT_ITS_CIPHERTEXT = ("InvalidCiphertextException", "IncorrectKeyException")
_PASSES = ("ThrottlingException", "KMSInternalException", "DependencyTimeoutException", "LimitExceededException")


def decrypt_with_kms(endpoint_url: Optional[str] = None) -> Callable:
    """@param endpoint_url another endpoint than AWS's own, such as a VPC endpoint or the in-memory KMS"""
    clients = {}

    def decrypt(key_arn: str, ciphertext: bytes, encryption_context: dict) -> bytes:
        region = key_arn.split(":")[3]
        if region not in clients:
            config = Config(connect_timeout=10, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
            clients[region] = boto3.client("kms", region_name=region, endpoint_url=endpoint_url, config=config)
        try:
            # The key is always named: KMS would otherwise use any key that the ciphertext says.
            answer = clients[region].decrypt(
                KeyId=key_arn, CiphertextBlob=ciphertext, EncryptionContext=encryption_context
            )
        except ClientError as error:
            raise _failure(error) from None
        except BotoCoreError as error:
            raise RecordingError("ERR_KMS_UNAVAILABLE", f"no answer from KMS: {error}", passes=True) from None
        return answer["Plaintext"]

    return decrypt


def _failure(error: ClientError) -> RecordingError:
    name = error.response.get("Error", {}).get("Code", "unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if name in _NOT_ITS_CIPHERTEXT:
        return RecordingError("ERR_KMS_REJECTED", f"not what KMS encrypted for this key pair ({name})")
    if name in _PASSES or status >= 500:
        return RecordingError("ERR_KMS_UNAVAILABLE", str(error), passes=True)
    return RecordingError("ERR_KMS_REFUSED", str(error), passes=True)
