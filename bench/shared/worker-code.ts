import { compileWorkerCode } from "../../scripts/worker-code.js";

// The sources run as they are; what a build puts in place of this name is put here by hand.
Object.assign(globalThis, { RECORDING_KEYSTORE_WORKER: compileWorkerCode() });
