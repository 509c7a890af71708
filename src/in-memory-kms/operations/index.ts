import { trackedOperations } from "../last-usage.js";
import type { Operation } from "../operation.js";
import { aliasOperations } from "./aliases.js";
import { asymmetricOperations } from "./asymmetric.js";
import { cryptographicOperations } from "./cryptography.js";
import { dataKeyOperations } from "./data-keys.js";
import { encapsulationOperations } from "./encapsulation.js";
import { grantKeyOperations } from "./grants.js";
import { importOperations } from "./import.js";
import { keyOperations } from "./keys.js";
import { keyStoreOperations } from "./key-stores.js";
import { lastUsageOperations } from "./last-usage.js";
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
  lastUsageOperations,
  keyStoreOperations,
  rotationOperations,
  multiRegionOperations,
  policyOperations,
  grantKeyOperations,
  tagOperations,
].flat();

export const operations: ReadonlyMap<string, Operation> = new Map(all.map((operation) => [operation.name, operation]));

/** Operations that change neither keys nor aliases nor key stores, other than what is due and when a key was last used. */
export const readOnly: ReadonlySet<string> = new Set(
  [...operations.keys()].filter(
    (name) =>
      trackedOperations.some((tracked) => tracked === name) || /^(?:Describe|List|Get)|^GenerateRandom$/.test(name),
  ),
);
