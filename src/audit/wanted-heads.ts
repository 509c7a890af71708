import { InvalidInputError } from "../errors.js";
import { readable } from "../util/check-input.js";
import type { ChainHead } from "./chain.js";

/** Copies anchored heads, which may be anything. @throws InvalidInputError */
export function headsOf(anchors: Iterable<ChainHead>): ChainHead[] {
  const refused = (given?: unknown) =>
    new InvalidInputError("anchors", "must be a list of heads, such as auditAnchorsFromCloudTrail gives", given);
  if (typeof anchors !== "object" || anchors === null) throw refused(anchors);
  return readable("anchors", () =>
    Array.from(anchors, (head: Partial<ChainHead> | null) => {
      const { chain, sequence, digest } = head ?? {};
      const isHead = typeof chain === "string" && Number.isSafeInteger(sequence) && typeof digest === "string";
      if (!isHead || sequence === undefined || sequence < 0) throw refused();
      return { chain, sequence, digest };
    }),
  );
}

/** The heads that are anchored. */
export class WantedHeads {
  readonly #digests = new Map<string, Set<string>>();

  constructor(heads: readonly ChainHead[]) {
    for (const { chain, sequence, digest } of heads) {
      const place = `${sequence}:${chain}`;
      this.#digests.set(place, (this.#digests.get(place) ?? new Set()).add(digest));
    }
  }

  /** The digests that are anchored of one entry. */
  of(chain: string, sequence: number): ReadonlySet<string> | undefined {
    return this.#digests.get(`${sequence}:${chain}`);
  }
}
