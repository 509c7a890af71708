import type { Operation } from "../operation.js";
import { aliasOperations } from "./aliases.js";
import { cryptographicOperations } from "./cryptography.js";
import { dataKeyOperations } from "./data-keys.js";
import { grantKeyOperations } from "./grants.js";
import { keyOperations } from "./keys.js";
import { multiRegionOperations } from "./multi-region.js";
import { policyOperations } from "./policies.js";
import { rotationOperations } from "./rotation.js";
import { tagOperations } from "./tags.js";

const all = [
  keyOperations,
  aliasOperations,
  cryptographicOperations,
  dataKeyOperations,
  rotationOperations,
  multiRegionOperations,
  policyOperations,
  grantKeyOperations,
  tagOperations,
].flat();

export const operations: ReadonlyMap<string, Operation> = new Map(all.map((operation) => [operation.name, operation]));
