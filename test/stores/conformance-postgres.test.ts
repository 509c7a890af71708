import { conforms } from "./conforms.js";

conforms("PostgresKeyPairStore");
