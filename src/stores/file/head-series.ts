import type { StoredHead } from "../key-pair-store.js";
import { corrupt, frame, unframe, type Frame } from "../frame.js";
import type { Layout } from "./layout.js";
import { highestHead } from "./names.js";
import type { PrivateFolder } from "./private-folder.js";

interface NumberedHead {
  readonly number: number;
  readonly head: StoredHead;
}

const revisionDigestLength = 16;

/**
 * The head of each organization as a series of immutable files, of which the highest number counts. To swap from n is
 * to create n + 1, which succeeds for one writer only.
 *
 * No file of the series is ever removed: a writer that read n long ago must find n + 1 taken, or it would win a race that
 * is over. They are few, one per rotation.
 */
export class HeadSeries {
  readonly #folder: PrivateFolder;
  readonly #layout: Layout;
  /** Highest number seen per organization, from which a read goes on instead of listing all. */
  readonly #known = new Map<string, number>();

  constructor(folder: PrivateFolder, layout: Layout) {
    this.#folder = folder;
    this.#layout = layout;
  }

  async latest(organizationId: string): Promise<StoredHead | undefined> {
    return (await this.#latest(organizationId))?.head;
  }

  /** Resolves with `undefined` if the latest head is not the expected one. */
  async append(
    organizationId: string,
    expectedRevision: string | undefined,
    document: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<StoredHead | undefined> {
    const latest = await this.#latest(organizationId);
    if (latest?.head.revision !== expectedRevision) return undefined;
    const number = (latest?.number ?? 0) + 1;
    const { path, labels } = this.#layout.head(organizationId, number);
    const bytes = frame(labels, document);
    if (!(await this.#folder.create(path, bytes, signal))) return undefined;
    this.#known.set(organizationId, number);
    return headOf(number, unframe(bytes, labels, path));
  }

  async #latest(organizationId: string): Promise<NumberedHead | undefined> {
    const known = this.#known.get(organizationId);
    const found = known === undefined ? undefined : await this.#latestFrom(organizationId, known);
    if (found) return found;
    // Nothing known yet, or the operator has put back an older state of the store.
    const folder = this.#layout.headsFolder(organizationId);
    const listed = highestHead(await this.#folder.list(folder));
    const latest = await this.#latestFrom(organizationId, listed);
    if (!latest && listed > 0) throw corrupt(folder, `lists head ${listed}, which is not there`);
    return latest;
  }

  async #latestFrom(organizationId: string, start: number): Promise<NumberedHead | undefined> {
    let number = start;
    while (await this.#folder.has(this.#layout.head(organizationId, number + 1).path)) number += 1;
    const { path, labels } = this.#layout.head(organizationId, number);
    const bytes = number === 0 ? undefined : await this.#folder.read(path);
    if (!bytes) return undefined;
    this.#known.set(organizationId, number);
    return { number, head: headOf(number, unframe(bytes, labels, path)) };
  }
}

/** Makes a head whose revision names the content too: after a restore a number may stand for another head. */
function headOf(number: number, { checksum, document }: Frame): StoredHead {
  return { revision: `${number}-${checksum.slice(0, revisionDigestLength)}`, document };
}
