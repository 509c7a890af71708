export type {
  EncryptionContext,
  KmsCallOptions,
  KmsDataKeyPairSpec,
  KmsKeyDescription,
  KmsProvider,
} from "./kms-provider.js";
export {
  kmsError,
  KmsError,
  kmsFailureGroup,
  kmsFailureKinds,
  type KmsErrorFacts,
  type KmsErrorInit,
  type KmsFailureGroup,
  type KmsFailureKind,
} from "./kms-error.js";
export { diagnose, type Diagnosis, type DiagnosisContext } from "./diagnosis.js";
