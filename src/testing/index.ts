export { MemoryKeyPairStore, MemoryLastConfirmedStore } from "../stores/memory.js";
