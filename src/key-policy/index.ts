export { checkKeyPolicy, type KeyPolicyCheckOptions, type KeyPolicyReport } from "./check.js";
export {
  keyPolicyFindingCodes,
  type KeyPolicyFinding,
  type KeyPolicyFindingCode,
  type KeyPolicyStatementPlace,
} from "./findings.js";
export type { KeyAccess, RecordingKeyGrant } from "./grant.js";
export {
  recordingKmsGrants,
  revokeRecordingKmsGrant,
  type KmsCreateGrant,
  type KmsGrantOperation,
  type KmsGrantRevocation,
  type RecordingKmsGrant,
  type RecordingKmsGrantsOptions,
} from "./kms-grants.js";
export {
  recordingKmsKey,
  type RecordingKmsKey,
  type RecordingKmsKeyOptions,
  type RecordingKmsKeyTemplate,
} from "./kms-key.js";
export {
  recordingKeyPolicy,
  recordingKeyStatements,
  recordingRolePolicy,
  type KeyPolicy,
  type KeyPolicyStatement,
  type RecordingKeyPolicyOptions,
  type RecordingRolePolicyOptions,
  type RolePolicy,
} from "./write.js";
