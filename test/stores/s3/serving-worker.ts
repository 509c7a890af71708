import { S3KeyPairStore } from "../../../src/stores/s3.js";
import { serveKeyPairStore } from "../../../src/testing/index.js";
import { patient, s3Client } from "../../support/aws-clients.js";

/** The second process of the conformance suite. */
const [endpoint = "", bucket = ""] = process.argv.slice(2);
serveKeyPairStore(new S3KeyPairStore({ client: s3Client(endpoint), bucket, ...patient }));
