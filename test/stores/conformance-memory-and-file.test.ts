import { conforms } from "./conforms.js";

conforms("MemoryKeyPairStore", "FileKeyPairStore");
