import { serveKeyPairStore } from "../../../src/testing/index.js";
import { processMistakes } from "./process-mistakes.js";

/** The second process of a store with a mistake. */
const [mistake = "", directory = ""] = process.argv.slice(2);
const open = processMistakes[mistake];
if (open) serveKeyPairStore(open(directory));
