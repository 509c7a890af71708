import { serveKeyPairStore } from "../../src/testing/index.js";
import { storeAt, type Place } from "./store-at.js";

/** The second process of the conformance suite. */
serveKeyPairStore(storeAt(JSON.parse(process.argv[2] ?? "") as Place).store);
