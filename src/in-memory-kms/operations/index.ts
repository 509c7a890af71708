import type { Operation } from "../operation.js";
import { aliasOperations } from "./aliases.js";
import { asymmetricOperations } from "./asymmetric.js";
import { cryptographicOperations } from "./cryptography.js";
import { dataKeyOperations } from "./data-keys.js";
import { encapsulationOperations } from "./encapsulation.js";
import { grantKeyOperations } from "./grants.js";
import { importOperations } from "./import.js";
import { keyOperations } from "./keys.js";
import { macOperations } from "./macs.js";
import { multiRegionOperations } from "./multi-region.js";
import { policyOperations } from "./policies.js";
import { rotationOperations } from "./rotation.js";
import { tagOperations } from "./tags.js";

const all = [
  keyOperations,
  aliasOperations,
  cryptographicOperations,
  dataKeyOperations,
  asymmetricOperations,
  macOperations,
  encapsulationOperations,
  importOperations,
  rotationOperations,
  multiRegionOperations,
  policyOperations,
  grantKeyOperations,
  tagOperations,
].flat();

export const operations: ReadonlyMap<string, Operation> = new Map(all.map((operation) => [operation.name, operation]));

/** Operations that only the service has. A request for one should not look like a misspelt name. */
export const operationsNotModelled: readonly string[] = [
  "ConnectCustomKeyStore",
  "CreateCustomKeyStore",
  "DeleteCustomKeyStore",
  "DescribeCustomKeyStores",
  "DisconnectCustomKeyStore",
  "GetKeyLastUsage",
  "UpdateCustomKeyStore",
];
