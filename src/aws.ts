export { AwsKmsProvider, type AwsKmsProviderOptions, type KmsClientLike } from "./kms/aws-kms-provider.js";
