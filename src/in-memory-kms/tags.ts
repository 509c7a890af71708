import { AwsError } from "./aws-error.js";
import type { WireTag } from "./input.js";

const maxTags = 50;

/** Tags of a request, checked as the service does. */
export function tagEntries(
  tags: readonly WireTag[],
  existing: ReadonlyMap<string, string> = new Map(),
): [string, string][] {
  const keys = tags.map((tag) => tag.TagKey);
  if (new Set(keys).size < keys.length) throw new AwsError("TagException", "Duplicate tag keys");
  requireOwnTags(keys);
  if (new Set([...existing.keys(), ...keys]).size > maxTags) throw new AwsError("TagException", "Too many tags");
  return tags.map((tag) => [tag.TagKey, tag.TagValue]);
}

export function requireOwnTags(keys: readonly string[]): void {
  if (keys.some((key) => /^aws:/i.test(key)))
    throw new AwsError("TagException", "Tags beginning with aws: are reserved");
}

/** Condition keys of a request's tags. */
export function requestTagKeys(
  tags: readonly (readonly [string, string])[],
): Record<string, string | readonly string[]> {
  if (tags.length === 0) return {};
  const byKey = Object.fromEntries(tags.map(([key, value]) => [`aws:RequestTag/${key}`, value]));
  return { ...byKey, "aws:TagKeys": tags.map(([key]) => key) };
}
