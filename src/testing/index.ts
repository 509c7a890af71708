export { MemoryKeyPairStore, MemoryLastConfirmedStore } from "../stores/memory.js";
export {
  keyPairStoreConformance,
  type ConformanceRunner,
  type KeyPairStoreUnderTest,
} from "./key-pair-store-conformance.js";
