import { S3KeyPairStore } from "../../../src/stores/s3.js";
import { serveKeyPairStore } from "../../../src/testing/index.js";
import { clientOf, patient } from "./clients.js";

/** The second process of the conformance suite. */
const [endpoint = "", bucket = ""] = process.argv.slice(2);
serveKeyPairStore(new S3KeyPairStore({ client: clientOf(endpoint), bucket, ...patient }));
