import { createHash } from "node:crypto";

const rounds = 600;

/** Some 19 KB that follow from their first line, so that a reader can tell whole from torn or mixed. */
export function contentOf(label: string): Uint8Array {
  const parts = [Buffer.from(`${label}\n`)];
  for (let round = 0; round < rounds; round += 1) parts.push(createHash("sha256").update(`${round} ${label}`).digest());
  return new Uint8Array(Buffer.concat(parts));
}

/** The label of a whole document; throws for any other bytes. */
export function labelOf(document: Uint8Array): string {
  const bytes = Buffer.from(document);
  const label = bytes.toString("utf8", 0, bytes.indexOf("\n"));
  if (!bytes.equals(contentOf(label)))
    throw new Error(`torn document, beginning with ${JSON.stringify(label.slice(0, 80))}`);
  return label;
}
