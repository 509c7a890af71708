import { conforms } from "./conforms.js";

conforms("DynamoDbKeyPairStore");
