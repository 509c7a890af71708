import { parsePolicy, type PolicyDocument, type PolicyKind } from "../../key-policy/language/document.js";

/** A cache per kind, keyed by the text of the policy. */
const caches: Record<PolicyKind, Map<string, PolicyDocument>> = { key: new Map(), identity: new Map() };
const maxCached = 1000;

/** Reads a policy document, and caches it. @throws PolicyProblem */
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
