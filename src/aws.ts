export { AwsKmsProvider, type AwsKmsProviderOptions, type KmsClientLike } from "./kms/aws/aws-kms-provider.js";
