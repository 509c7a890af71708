import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { InvalidInputError, RecordingKeyStoreError } from "../../errors.js";
import { checkDocument, checkOrganizationId } from "../input.js";
import type { LastConfirmedStore } from "../last-confirmed-store.js";
import { FileLastConfirmedStore } from "./file-last-confirmed-store.js";
import { checkFolderPath, PrivateFolder } from "./private-folder.js";
import { isWithin, leadsInto, realPathOf } from "./real-path.js";
import { stateDirectory } from "./state-directory.js";

const application = "recording-keystore";
const folderNameLength = 32;

/** Last confirmed keys of this host for a file store, outside the folder that writers of the store can change. */
export class HostLastConfirmedStore implements LastConfirmedStore {
  readonly #storeFolder: string;
  readonly #named: string | undefined;
  #records: { readonly folder: string; readonly store: LastConfirmedStore } | undefined;

  /**
   * Touches no file; the first call does.
   * @throws InvalidInputError where `hostDirectory`, as it is written, is the store's folder or lies inside it
   */
  constructor(storeFolder: string, hostDirectory: string | undefined) {
    this.#storeFolder = storeFolder;
    if (hostDirectory === undefined) return;
    checkFolderPath("hostDirectory", hostDirectory);
    this.#named = resolve(hostDirectory);
    if (isWithin(this.#named, storeFolder)) throw this.#insideStore(this.#named);
  }

  async load(organizationId: string): Promise<Uint8Array | undefined> {
    checkOrganizationId(organizationId);
    return this.#withRecords((records) => records.load(organizationId));
  }

  async save(organizationId: string, document: Uint8Array): Promise<void> {
    checkOrganizationId(organizationId);
    checkDocument(document);
    // Before the first await: the caller may reuse its buffer.
    const copy = new Uint8Array(document);
    return this.#withRecords((records) => records.save(organizationId, copy));
  }

  async #withRecords<T>(call: (records: LastConfirmedStore) => Promise<T>): Promise<T> {
    try {
      const folder = this.#named ?? (await this.#defaultFolder());
      // Before each call, since a link on the way may have been turned meanwhile.
      if (await leadsInto(folder, this.#storeFolder)) throw this.#insideStore(folder);
      if (this.#records?.folder !== folder) {
        this.#records = { folder, store: new FileLastConfirmedStore({ directory: folder }) };
      }
      return await call(this.#records.store);
    } catch (error) {
      throw this.#namingTheOption(error);
    }
  }

  async #defaultFolder(): Promise<string> {
    const state = stateDirectory({ env: process.env, platform: process.platform, home: homeDirectory() });
    if (state === undefined) {
      throw new RecordingKeyStoreError("ERR_STORE_UNAVAILABLE", "No state directory of this user is known");
    }
    const ofApplication = join(state, application);
    // Whoever can write to the folder around a private one could put another in its place.
    await new PrivateFolder(ofApplication).check();
    const digest = createHash("sha256")
      .update(await realPathOf(this.#storeFolder))
      .digest("hex");
    return join(ofApplication, digest.slice(0, folderNameLength));
  }

  #insideStore(folder: string): InvalidInputError {
    const rule = this.#named === undefined ? "is required, as its default" : "must lie outside `directory`, but";
    const reason = "the store's folder, whose writers could change there what this host remembers";
    return new InvalidInputError("hostDirectory", `${rule} ${folder} leads into ${reason}`);
  }

  /** The same failure in the words of {@link FileKeyPairStoreOptions}. */
  #namingTheOption(error: unknown): unknown {
    if (!(error instanceof RecordingKeyStoreError)) return error;
    if (error instanceof InvalidInputError && error.field === "directory") {
      return new InvalidInputError("hostDirectory", error.rule);
    }
    if (this.#named !== undefined || error.code !== "ERR_STORE_UNAVAILABLE") return error;
    const message = `${error.message}; name a folder where this host can remember confirmed keys as \`hostDirectory\``;
    return new RecordingKeyStoreError(error.code, message, { retryable: error.retryable, cause: error.cause });
  }
}

/** The home directory; unknown for a user without an entry in the system, as in many containers. */
function homeDirectory(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
