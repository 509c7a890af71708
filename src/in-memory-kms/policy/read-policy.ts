import { parsePolicy, type PolicyDocument, type PolicyKind } from "../../key-policy/language/document.js";

/** One for each kind, so that a look-up needs no key of its own made. */
const caches: Record<PolicyKind, Map<string, PolicyDocument>> = { key: new Map(), identity: new Map() };
const maxCached = 1000;

/** Reads a policy document, each only once. @throws PolicyProblem. */
export function readPolicy(text: string, kind: PolicyKind): PolicyDocument {
  const cache = caches[kind];
  let document = cache.get(text);
  if (!document) {
    document = parsePolicy(text, kind);
    if (cache.size >= maxCached) cache.clear();
    cache.set(text, document);
  }
  return document;
}
