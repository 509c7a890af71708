import { FileKeyPairStore } from "../../../src/stores/file.js";
import { serveKeyPairStore } from "../../../src/testing/index.js";

/** The second process of the conformance suite. */
serveKeyPairStore(new FileKeyPairStore({ directory: process.argv[2] ?? "" }));
