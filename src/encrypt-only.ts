export {
  PublicBundleEncryptor,
  type PublicBundleEncryptorOptions,
  type PublicBundleHealth,
} from "./key-store/public-bundle-encryptor.js";
