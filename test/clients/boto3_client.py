"""
What users of boto3 do with KMS, against the in-memory KMS at KMS_URL. What KMS returns is checked with `cryptography`, which knows
nothing of it.
"""

import hashlib
import hmac
import json
import os
import unittest
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

URL = os.environ["KMS_URL"]
CONTEXT = {"purpose": "test", "organization": "org-1"}
RECORDER = "arn:aws:iam::444455556666:role/recorder"


def client(attempts=1, access_key="AKIAADMIN"):
    return boto3.client(
        "kms",
        endpoint_url=URL,
        region_name="eu-west-1",
        aws_access_key_id=access_key,
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )


def control(method, path, body=None):
    """Asks what is no operation of AWS's: faults, the clock, the journal."""
    headers = {"x-kms-control": "1", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/_kms/{path}", data, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        return json.load(answer)


def oaep(algorithm):
    return padding.OAEP(padding.MGF1(algorithm), algorithm, None)


class KmsTest(unittest.TestCase):
    def setUp(self):
        self.kms = client()
        self.addCleanup(lambda: control("DELETE", "faults"))

    def key(self, **options):
        return self.kms.create_key(**options)["KeyMetadata"]["KeyId"]

    def refused(self, name, text, call, **request):
        """@returns the error, which boto3 shows with its name and text"""
        with self.assertRaises(ClientError) as caught:
            call(**request)
        error = caught.exception
        self.assertRegex(str(error), rf"An error occurred \({name}\) when calling the \w+ operation[^:]*: .*{text}")
        return error


class Keys(KmsTest):
    def test_has_a_key_under_all_its_names(self):
        metadata = self.kms.create_key(Description="calls", Tags=[{"TagKey": "team", "TagValue": "voice"}])["KeyMetadata"]
        self.kms.create_alias(AliasName="alias/named", TargetKeyId=metadata["KeyId"])
        alias_arn = "arn:aws:kms:eu-west-1:111122223333:alias/named"
        for name in [metadata["KeyId"], metadata["Arn"], "alias/named", alias_arn]:
            described = self.kms.describe_key(KeyId=name)["KeyMetadata"]
            self.assertEqual(described["Arn"], metadata["Arn"])
            self.assertEqual(described["Description"], "calls")
            self.assertEqual(described["CreationDate"].tzinfo is None, False)
        tags = self.kms.list_resource_tags(KeyId=metadata["KeyId"])["Tags"]
        self.assertEqual(tags, [{"TagKey": "team", "TagValue": "voice"}])
        other = self.key()
        self.kms.update_alias(AliasName="alias/named", TargetKeyId=other)
        self.assertEqual(self.kms.describe_key(KeyId="alias/named")["KeyMetadata"]["KeyId"], other)
        self.kms.delete_alias(AliasName="alias/named")
        text = f"Alias {alias_arn} is not found"
        self.refused("NotFoundException", text, self.kms.describe_key, KeyId="alias/named")

    def test_goes_through_a_key_s_states(self):
        key = self.key()
        self.kms.disable_key(KeyId=key)
        self.refused("DisabledException", f"{key} is disabled", self.kms.encrypt, KeyId=key, Plaintext=b"x")
        self.kms.enable_key(KeyId=key)
        self.kms.encrypt(KeyId=key, Plaintext=b"x")
        self.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        self.refused("KMSInvalidStateException", f"{key} is pending deletion", self.kms.encrypt, KeyId=key, Plaintext=b"x")
        control("POST", "clock", {"advance": 8 * 86_400_000})
        self.refused("NotFoundException", "does not exist", self.kms.describe_key, KeyId=key)

    def test_keeps_a_policy_and_rotates(self):
        key = self.key()
        policy = json.loads(self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
        policy["Statement"].append({"Effect": "Deny", "Principal": "*", "Action": "kms:GenerateRandom", "Resource": "*"})
        self.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))
        put = json.loads(self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
        self.assertEqual(put, policy)
        self.assertEqual(self.kms.list_key_policies(KeyId=key)["PolicyNames"], ["default"])
        self.assertFalse(self.kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"])
        self.kms.enable_key_rotation(KeyId=key)
        old = self.kms.encrypt(KeyId=key, Plaintext=b"before")["CiphertextBlob"]
        control("POST", "clock", {"advance": 366 * 86_400_000})
        self.assertTrue(self.kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"])
        self.assertEqual(self.kms.decrypt(CiphertextBlob=old)["Plaintext"], b"before")

    def test_pages(self):
        made = {self.key() for _ in range(7)}
        pages = list(self.kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}))
        self.assertGreater(len(pages), 2)
        self.assertTrue(all(len(page["Keys"]) == 3 for page in pages[:-1]))
        listed = [key["KeyId"] for page in pages for key in page["Keys"]]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertLessEqual(made, set(listed))
        key = next(iter(made))
        for number in range(5):
            self.kms.create_alias(AliasName=f"alias/page-{number}", TargetKeyId=key)
        paginator = self.kms.get_paginator("list_aliases")
        pages = list(paginator.paginate(KeyId=key, PaginationConfig={"PageSize": 2}))
        self.assertEqual([len(page["Aliases"]) for page in pages], [2, 2, 1])
        self.refused("InvalidMarkerException", "", self.kms.list_keys, Marker="made-up")

    def test_replicates_to_another_region(self):
        metadata = self.kms.create_key(MultiRegion=True)["KeyMetadata"]
        replica = self.kms.replicate_key(KeyId=metadata["Arn"], ReplicaRegion="eu-central-1")["ReplicaKeyMetadata"]
        self.assertEqual(replica["KeyId"], metadata["KeyId"])
        ciphertext = self.kms.encrypt(KeyId=metadata["Arn"], Plaintext=b"x")["CiphertextBlob"]
        there = boto3.client("kms", endpoint_url=URL, region_name="eu-central-1")
        opened = there.decrypt(CiphertextBlob=ciphertext, KeyId=replica["Arn"])
        self.assertEqual((opened["Plaintext"], opened["KeyId"]), (b"x", replica["Arn"]))


class Encryption(KmsTest):
    def test_binds_a_ciphertext_to_its_context(self):
        sealed = self.kms.encrypt(KeyId="alias/recordings", Plaintext=b"secret", EncryptionContext=CONTEXT)
        opened = self.kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=CONTEXT)
        self.assertEqual((opened["Plaintext"], opened["KeyId"]), (b"secret", sealed["KeyId"]))
        self.assertEqual(opened["EncryptionAlgorithm"], "SYMMETRIC_DEFAULT")
        blob = sealed["CiphertextBlob"]
        for context in [{}, {**CONTEXT, "purpose": "other"}]:
            with self.assertRaises(self.kms.exceptions.InvalidCiphertextException):
                self.kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)
        other = self.key()
        self.refused(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation",
            self.kms.decrypt,
            CiphertextBlob=blob,
            KeyId=other,
            EncryptionContext=CONTEXT,
        )
        moved = self.kms.re_encrypt(
            CiphertextBlob=blob,
            SourceEncryptionContext=CONTEXT,
            DestinationKeyId=other,
            DestinationEncryptionContext={"moved": "yes"},
        )
        self.assertEqual(moved["SourceKeyId"], sealed["KeyId"])
        opened = self.kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"moved": "yes"})
        self.assertEqual(opened["Plaintext"], b"secret")

    def test_makes_data_keys(self):
        for size, request in [(32, {"KeySpec": "AES_256"}), (16, {"KeySpec": "AES_128"}), (99, {"NumberOfBytes": 99})]:
            made = self.kms.generate_data_key(KeyId="alias/recordings", EncryptionContext=CONTEXT, **request)
            self.assertEqual(len(made["Plaintext"]), size)
            opened = self.kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
            self.assertEqual(opened["Plaintext"], made["Plaintext"])
        made = self.kms.generate_data_key_without_plaintext(KeyId="alias/recordings", KeySpec="AES_256")
        self.assertNotIn("Plaintext", made)
        self.assertEqual(len(self.kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"]), 32)
        one, other = (self.kms.generate_random(NumberOfBytes=32)["Plaintext"] for _ in range(2))
        self.assertEqual((len(one), len(other)), (32, 32))
        self.assertNotEqual(one, other)

    def test_makes_data_key_pairs(self):
        for spec in ["RSA_2048", "ECC_NIST_P384", "ECC_SECG_P256K1"]:
            request = {"KeyId": "alias/recordings", "KeyPairSpec": spec, "EncryptionContext": CONTEXT}
            shown = self.kms.generate_data_key_pair(**request)
            hidden = self.kms.generate_data_key_pair_without_plaintext(**request)
            self.assertNotIn("PrivateKeyPlaintext", hidden)
            for pair in [shown, hidden]:
                opened = self.kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"], EncryptionContext=CONTEXT)
                private = serialization.load_der_private_key(opened["Plaintext"], None)
                der = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
                self.assertEqual(private.public_key().public_bytes(*der), pair["PublicKey"])
            opened = self.kms.decrypt(CiphertextBlob=shown["PrivateKeyCiphertextBlob"], EncryptionContext=CONTEXT)
            self.assertEqual(opened["Plaintext"], shown["PrivateKeyPlaintext"])


class Asymmetric(KmsTest):
    def public_key(self, key):
        return serialization.load_der_public_key(self.kms.get_public_key(KeyId=key)["PublicKey"])

    def check_verify(self, request):
        self.assertTrue(self.kms.verify(**request)["SignatureValid"])
        self.refused("KMSInvalidSignatureException", "", self.kms.verify, **{**request, "Message": b"another"})

    def test_signs_with_rsa(self):
        key = self.key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
        for name, scheme in [("PSS", pss), ("PKCS1_V1_5", padding.PKCS1v15())]:
            request = {"KeyId": key, "Message": b"message", "SigningAlgorithm": f"RSASSA_{name}_SHA_256"}
            signature = self.kms.sign(**request)["Signature"]
            self.public_key(key).verify(signature, b"message", scheme, hashes.SHA256())
            with self.assertRaises(InvalidSignature):
                self.public_key(key).verify(signature, b"another", scheme, hashes.SHA256())
            self.check_verify({**request, "Signature": signature})

    def test_signs_with_elliptic_curves(self):
        for spec, size in [("ECC_NIST_P256", 256), ("ECC_NIST_P521", 512), ("ECC_SECG_P256K1", 256)]:
            key = self.key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
            request = {"KeyId": key, "Message": b"message", "SigningAlgorithm": f"ECDSA_SHA_{size}"}
            signature = self.kms.sign(**request)["Signature"]
            algorithm = getattr(hashes, f"SHA{size}")()
            self.public_key(key).verify(signature, b"message", ec.ECDSA(algorithm))
            self.check_verify({**request, "Signature": signature})

    def test_decrypts_what_was_encrypted_outside(self):
        key = self.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
        for name, algorithm in [("SHA_256", hashes.SHA256()), ("SHA_1", hashes.SHA1())]:
            sealed = self.public_key(key).encrypt(b"secret", oaep(algorithm))
            request = {"KeyId": key, "EncryptionAlgorithm": f"RSAES_OAEP_{name}"}
            self.assertEqual(self.kms.decrypt(CiphertextBlob=sealed, **request)["Plaintext"], b"secret")
            own = self.kms.encrypt(Plaintext=b"secret", **request)["CiphertextBlob"]
            self.assertEqual(self.kms.decrypt(CiphertextBlob=own, **request)["Plaintext"], b"secret")
        self.refused("InvalidKeyUsageException", "", self.kms.sign, KeyId=key, Message=b"x", SigningAlgorithm="RSASSA_PSS_SHA_256")

    def test_authenticates_messages(self):
        key = self.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
        request = {"KeyId": key, "Message": b"message", "MacAlgorithm": "HMAC_SHA_256"}
        mac = self.kms.generate_mac(**request)["Mac"]
        self.assertEqual(len(mac), 32)
        self.assertTrue(self.kms.verify_mac(Mac=mac, **request)["MacValid"])
        self.refused("KMSInvalidMacException", "", self.kms.verify_mac, Mac=mac, **{**request, "Message": b"another"})


class ImportedMaterial(KmsTest):
    def import_into(self, key, algorithm, wrap):
        request = {"KeyId": key, "WrappingAlgorithm": algorithm, "WrappingKeySpec": "RSA_2048"}
        parameters = self.kms.get_parameters_for_import(**request)
        wrapped = wrap(serialization.load_der_public_key(parameters["PublicKey"]))
        self.kms.import_key_material(
            KeyId=key,
            ImportToken=parameters["ImportToken"],
            EncryptedKeyMaterial=wrapped,
            ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
        )

    def test_uses_the_very_bytes_of_an_imported_hmac_key(self):
        key = self.key(Origin="EXTERNAL", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
        material = os.urandom(32)
        request = {"KeyId": key, "Message": b"message", "MacAlgorithm": "HMAC_SHA_256"}
        self.refused("KMSInvalidStateException", "pending import", self.kms.generate_mac, **request)
        self.import_into(key, "RSAES_OAEP_SHA_256", lambda public: public.encrypt(material, oaep(hashes.SHA256())))
        mac = hmac.new(material, b"message", hashlib.sha256).digest()
        self.assertEqual(self.kms.generate_mac(**request)["Mac"], mac)

    def test_has_the_public_key_of_an_imported_private_key(self):
        private = ec.generate_private_key(ec.SECP256R1())
        der = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

        def wrap(public):
            once = os.urandom(32)
            inside = keywrap.aes_key_wrap_with_padding(once, private.private_bytes(*der))
            return public.encrypt(once, oaep(hashes.SHA256())) + inside

        key = self.key(Origin="EXTERNAL", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        self.import_into(key, "RSA_AES_KEY_WRAP_SHA_256", wrap)
        signature = self.kms.sign(KeyId=key, Message=b"message", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
        private.public_key().verify(signature, b"message", ec.ECDSA(hashes.SHA256()))

    def test_withdraws_imported_material(self):
        key = self.key(Origin="EXTERNAL")
        material = os.urandom(32)
        wrap = lambda public: public.encrypt(material, oaep(hashes.SHA256()))
        self.import_into(key, "RSAES_OAEP_SHA_256", wrap)
        sealed = self.kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
        self.kms.delete_imported_key_material(KeyId=key)
        self.refused("KMSInvalidStateException", "pending import", self.kms.decrypt, CiphertextBlob=sealed)
        self.import_into(key, "RSAES_OAEP_SHA_256", wrap)
        self.assertEqual(self.kms.decrypt(CiphertextBlob=sealed)["Plaintext"], b"secret")


class CustomKeyStores(KmsTest):
    def state(self, store):
        (described,) = self.kms.describe_custom_key_stores(CustomKeyStoreId=store)["CustomKeyStores"]
        return described["ConnectionState"]

    def test_uses_a_key_outside_while_its_store_is_connected(self):
        store = self.kms.create_custom_key_store(
            CustomKeyStoreName="outside",
            CustomKeyStoreType="EXTERNAL_KEY_STORE",
            XksProxyUriEndpoint="https://xks.example.com",
            XksProxyUriPath="/kms/xks/v1",
            XksProxyConnectivity="PUBLIC_ENDPOINT",
            XksProxyAuthenticationCredential={"AccessKeyId": "A" * 20, "RawSecretAccessKey": "a" * 43},
        )["CustomKeyStoreId"]
        request = {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store, "XksKeyId": "outside-1"}
        self.assertEqual(self.state(store), "DISCONNECTED")
        self.refused("CustomKeyStoreInvalidStateException", "", self.kms.create_key, **request)
        self.kms.connect_custom_key_store(CustomKeyStoreId=store)
        self.assertEqual(self.state(store), "CONNECTED")
        key = self.key(**request)
        sealed = self.kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
        pair = {"KeyId": key, "KeyPairSpec": "RSA_2048"}
        self.refused("UnsupportedOperationException", "", self.kms.generate_data_key_pair, **pair)
        self.kms.disconnect_custom_key_store(CustomKeyStoreId=store)
        self.assertEqual(self.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Unavailable")
        self.refused("KMSInvalidStateException", "", self.kms.decrypt, CiphertextBlob=sealed)
        self.kms.connect_custom_key_store(CustomKeyStoreId=store)
        self.assertEqual(self.kms.decrypt(CiphertextBlob=sealed)["Plaintext"], b"secret")


class Callers(KmsTest):
    def test_acts_by_a_grant_and_within_its_constraints(self):
        arn = self.kms.create_key()["KeyMetadata"]["Arn"]
        recorder = client(access_key="AKIARECORDER")
        request = {"KeyId": arn, "Plaintext": b"x", "EncryptionContext": CONTEXT}
        denied = f"User: {RECORDER} is not authorized to perform: kms:Encrypt on this resource because"
        self.refused("AccessDeniedException", denied, recorder.encrypt, **request)
        grant = self.kms.create_grant(
            KeyId=arn,
            GranteePrincipal=RECORDER,
            Operations=["Encrypt", "Decrypt"],
            Constraints={"EncryptionContextSubset": {"purpose": "test"}},
            Name="recorder",
        )
        sealed = recorder.encrypt(GrantTokens=[grant["GrantToken"]], **request)["CiphertextBlob"]
        self.assertEqual(recorder.decrypt(CiphertextBlob=sealed, EncryptionContext=CONTEXT)["Plaintext"], b"x")
        self.refused("AccessDeniedException", "", recorder.encrypt, **{**request, "EncryptionContext": {"purpose": "other"}})
        (listed,) = self.kms.list_grants(KeyId=arn)["Grants"]
        self.assertEqual((listed["GrantId"], listed["GranteePrincipal"]), (grant["GrantId"], RECORDER))
        self.kms.revoke_grant(KeyId=arn, GrantId=grant["GrantId"])
        self.refused("AccessDeniedException", "", recorder.encrypt, **request)

    def test_refuses_whom_no_policy_allows(self):
        self.refused("AccessDeniedException", "user/nobody is not authorized", client(access_key="AKIANOBODY").list_keys)

    def test_names_what_is_wrong_with_a_request(self):
        self.refused("ValidationException", "'aliasName'|alias/", self.kms.create_alias, AliasName="plain", TargetKeyId=self.key())
        self.refused("NotFoundException", "Invalid keyId 'a b'", self.kms.describe_key, KeyId="a b")
        self.refused("NotFoundException", "", self.kms.describe_key, KeyId="1234abcd-12ab-34cd-56ef-1234567890ab")
        self.refused("AlreadyExistsException", "already exists", self.kms.create_alias, AliasName="alias/recordings", TargetKeyId=self.key())
        self.refused("InvalidArnException", "", self.kms.describe_key, KeyId="arn:aws:s3:::bucket")


class Retries(KmsTest):
    def test_tries_again_while_it_is_throttled_or_told_of_a_fault(self):
        for kind in ["throttling", "internal-error", "service-unavailable", "connection-reset"]:
            fault = control("POST", "faults", {"kind": kind, "operation": "DescribeKey", "times": 2})
            answer = client(attempts=3).describe_key(KeyId="alias/recordings")
            self.assertEqual(answer["ResponseMetadata"]["RetryAttempts"], 2, kind)
            self.assertNotIn(fault["id"], [active["id"] for active in control("GET", "faults")["faults"]])

    def test_gives_up_with_the_service_s_own_error(self):
        control("POST", "faults", {"kind": "throttling", "operation": "Encrypt"})
        error = self.refused("ThrottlingException", "", client(attempts=2).encrypt, KeyId="alias/recordings", Plaintext=b"x")
        self.assertEqual(error.response["ResponseMetadata"]["RetryAttempts"], 1)
        calls = control("GET", "journal?operation=Encrypt&outcome=ThrottlingException")["calls"]
        self.assertEqual([call["fault"] for call in calls], ["throttling", "throttling"])


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # boto3's clients close no connection of their own
