import type { Operation } from "../operation.js";
import { aliasOperations } from "./aliases.js";
import { cryptographicOperations } from "./cryptography.js";
import { dataKeyOperations } from "./data-keys.js";
import { keyOperations } from "./keys.js";
import { rotationOperations } from "./rotation.js";

export const operations: ReadonlyMap<string, Operation> = new Map(
  [...keyOperations, ...aliasOperations, ...cryptographicOperations, ...dataKeyOperations, ...rotationOperations].map(
    (operation) => [operation.name, operation],
  ),
);
