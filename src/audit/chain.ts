import { createHash, createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { canonicalJson, decodeJsonObject } from "../format/canonical-json.js";
import { InvalidInputError } from "../errors.js";
import { isBytes } from "../util/bytes.js";
import type { AuditEvent } from "./event.js";

/*
 * A chain is lines, `{"entry":…,"mac":"…"}` in canonical JSON (RFC 8785), each ended by a line feed: a file of them, or a row of
 * a table for each. The MAC is
 * HMAC-SHA-256 over the MAC of the line before (32 zero bytes for the first line) and the canonical JSON of the entry.
 */

/** Names a state of a chain without telling anything of its content. */
export interface ChainHead {
  readonly chain: string;
  /** Of the entry that is last, from 0. */
  readonly sequence: number;
  /** SHA-256 of its MAC, in base64url. */
  readonly digest: string;
}

/** First entry of a chain. */
export interface Genesis {
  readonly format: 1;
  /** Random, and the name of the chain: in that of a file, or beside each row. */
  readonly chain: string;
  /** Names the secret, without telling it. */
  readonly key: string;
  /** Where the same process's chain before ended. */
  readonly previous?: ChainHead;
}

export type ChainEntry =
  | { readonly sequence: number; readonly genesis: Genesis }
  | { readonly sequence: number; readonly event: AuditEvent }
  /** The head named was anchored in CloudTrail. */
  | { readonly sequence: number; readonly anchored: ChainHead }
  /** The last entry of a chain whose process closed it. */
  | { readonly sequence: number; readonly closed: true };

/** Shortest secret of a log, in bytes. */
const shortestAuditSecret = 32;
/** Longest line, in bytes. */
export const longestLine = 65_536;
export const firstMac: Buffer = Buffer.alloc(32);

/** One secret of a log. */
export class ChainKey {
  readonly #key: KeyObject;
  /** Tells secrets apart: the first 16 hexadecimal digits of a MAC under this one. */
  readonly id: string;

  constructor(secret: Uint8Array) {
    const derived = Buffer.from(hkdfSync("sha256", secret, "", "recording-keystore audit log v1", 32));
    this.#key = createSecretKey(derived);
    derived.fill(0);
    this.id = createHmac("sha256", this.#key).update("key id").digest("hex").slice(0, 16);
  }

  mac(previous: Buffer, entry: string): Buffer {
    return createHmac("sha256", this.#key).update(previous).update(entry).digest();
  }
}

/** The keys of one or several secrets. @throws InvalidInputError */
export function chainKeys(secret: Uint8Array | readonly Uint8Array[]): [ChainKey, ...ChainKey[]] {
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  const good = secrets.filter((one): one is Uint8Array => isBytes(one) && one.length >= shortestAuditSecret);
  const [first, ...rest] = good;
  if (!first || good.length < secrets.length || good.length > 16)
    throw new InvalidInputError("secret", "must be a Uint8Array of at least 32 bytes, or a list of 1 to 16 of them");
  return [new ChainKey(first), ...rest.map((one) => new ChainKey(one))];
}

export function headOf(chain: string, sequence: number, mac: Buffer): ChainHead {
  return { chain, sequence, digest: createHash("sha256").update(mac).digest("base64url") };
}

export function fileOfChain(chain: string): string {
  return `audit-${chain}.jsonl`;
}

/** Seals an entry. @param entry - what `JSON.parse` could have returned */
export function sealLine(key: ChainKey, previous: Buffer, entry: ChainEntry): { line: string; mac: Buffer } {
  const text = canonicalJson(entry);
  const mac = key.mac(previous, text);
  return { line: `{"entry":${text},"mac":"${mac.toString("base64url")}"}\n`, mac };
}

/** A line as it stands. `undefined` unless its bytes are exactly those of what it says. */
export function parseLine(line: Uint8Array): { entry: ChainEntry; text: string; mac: Buffer } | undefined {
  const { entry, mac, ...more } = decodeJsonObject(line) ?? {};
  if (typeof entry !== "object" || entry === null || typeof mac !== "string" || Object.keys(more).length > 0) return;
  const bytes = Buffer.from(mac, "base64url");
  if (bytes.length !== 32 || bytes.toString("base64url") !== mac) return undefined;
  return { entry: entry as ChainEntry, text: canonicalJson(entry), mac: bytes };
}
