import { join } from "node:path";
import { RecordingKeyStoreError } from "../../errors.js";
import { knownOptions } from "../../util/check-input.js";
import { checkDocument, checkOrganizationId } from "../input.js";
import type { LastConfirmedStore } from "../last-confirmed-store.js";
import { frame, unframe } from "../frame.js";
import type { Place } from "./layout.js";
import { recordFile } from "./names.js";
import { PrivateFolder } from "./private-folder.js";

/** Options of {@link FileLastConfirmedStore}. */
export interface FileLastConfirmedStoreOptions {
  /** Folder of the files, on this host's own disk. */
  readonly directory: string;
}

/**
 * Last confirmed keys of a host, one small file per organization in a folder that only the user of this process can
 * write to (made if it is missing, refused if others can write to it). Never place it at or below the folder of a
 * file store, or on storage shared with others: whoever can write to it chooses the keys under which this host records.
 * Each key pair store needs a folder of its own here.
 *
 * A file that is damaged, or of a newer version, counts as missing: the next confirmation writes it anew, and a failure
 * would stop recordings that could go on under the stored key. A disk that does not answer rejects with
 * `ERR_STORE_UNAVAILABLE`, because then the file may well be there.
 */
export class FileLastConfirmedStore implements LastConfirmedStore {
  readonly #folder: PrivateFolder;

  /**
   * Touches no file; the first call does.
   * @throws InvalidInputError where `directory` is no path
   */
  constructor(options: FileLastConfirmedStoreOptions) {
    this.#folder = new PrivateFolder(knownOptions(options, { directory: true }).directory);
  }

  async load(organizationId: string): Promise<Uint8Array | undefined> {
    checkOrganizationId(organizationId);
    await this.#folder.check();
    const { path, labels } = this.#place(organizationId);
    try {
      const bytes = await this.#folder.read(path);
      return bytes && unframe(bytes, labels, path).document;
    } catch (error) {
      if (error instanceof RecordingKeyStoreError && !error.retryable) return undefined;
      throw error;
    }
  }

  async save(organizationId: string, document: Uint8Array): Promise<void> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    const { path, labels } = this.#place(organizationId);
    await this.#folder.replace(path, frame(labels, document));
  }

  #place(organizationId: string): Place {
    return {
      path: join(this.#folder.root, recordFile(organizationId)),
      labels: { kind: "last-confirmed", organizationId },
    };
  }
}
