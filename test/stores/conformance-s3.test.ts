import { conforms } from "./conforms.js";

conforms("S3KeyPairStore");
