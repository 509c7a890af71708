// ES modules and CommonJS in one process have a copy of the package each. They must understand each other.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import * as sdk from "@aws-sdk/client-kms";
import * as imported from "recording-keystore";
import * as aws from "recording-keystore/aws";
import * as file from "recording-keystore/stores/file";
import * as testing from "recording-keystore/testing";
import scenario from "./scenario.cjs";

const required = createRequire(import.meta.url)("recording-keystore");

assert.notEqual(imported.RecordingKeyStoreError, required.RecordingKeyStoreError);
const error = new imported.InvalidInputError("field", "rule");
assert.ok(error instanceof required.RecordingKeyStoreError);
assert.ok(error instanceof required.InvalidInputError);
assert.ok(!(error instanceof required.KmsError));
assert.ok(!(new Error("x") instanceof required.RecordingKeyStoreError));

// A key store of one copy, with provider, stores and in-memory KMS of the other.
await scenario({ root: required, aws, file, testing, sdk });
await scenario({ root: imported, aws, file, testing, sdk });
