export { checkKeyPolicy, type KeyPolicyCheckOptions, type KeyPolicyReport } from "./check.js";
export {
  keyPolicyFindingCodes,
  type KeyPolicyFinding,
  type KeyPolicyFindingCode,
  type KeyPolicyStatementPlace,
} from "./findings.js";
export type { KeyAccess, RecordingKeyGrant } from "./grant.js";
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
