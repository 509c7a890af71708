import type { Clock } from "../clock.js";
import { InvalidInputError } from "../errors.js";
import { knownOptions } from "../util/check-input.js";
import { KmsAdministration } from "./administration.js";
import { requireAccountId, requireRegion } from "./arn.js";
import { AwsError } from "./aws-error.js";
import { DataKeyPairs } from "./data-key-pairs.js";
import type { KmsDataFile } from "./data-file.js";
import { KmsFaults } from "./faults.js";
import { listen, type KmsEndpoint } from "./http-endpoint.js";
import { checkedListenOptions, type KmsListenOptions } from "./listen-options.js";
import { MovableClock } from "./movable-clock.js";
import { KmsJournal } from "./journal.js";
import { defaultAccountId, KmsPrincipals, type KmsPrincipal, type KmsPrincipalInit } from "./principals.js";
import { credentialsError, KmsRequestHandler } from "./request-handler.js";
import { checkedSeed, placed, sow, type KmsSeed } from "./seed.js";
import { KmsService, type KmsAnswer } from "./service.js";
import type { KmsSnapshot } from "./snapshot.js";
import { KmsState } from "./state.js";
import type { KmsHttpRequest } from "./wire.js";

export interface InMemoryKmsOptions {
  /** Clock for deletion and rotation dates. Default: the system's. `Date` headers always show real time. */
  clock?: Clock;
  /** Known callers. Any other access key id administers the account `defaultAccountId`. */
  principals?: readonly KmsPrincipalInit[];
  /** Account of callers whom nobody introduced, and of keys for which none is named; 12 digits. Default `000000000000`. */
  defaultAccountId?: string;
  /**
   * IAM policy of principals that are added without one, as JSON text or object. `"administrator"` leaves everything to the key
   * policies. Default: none, as in AWS.
   */
  defaultIdentityPolicy?: string | object;
  /** Keys, aliases, grants and callers to begin with, as of `readKmsSeed`. Its defaults give way to these options. */
  seed?: KmsSeed;
  /** Regions that exist. Default: all; replicas only where the name is formed as AWS names its Regions. */
  regions?: readonly string[];
  /** Number of calls that the journal keeps. Default 100,000. */
  journalLimit?: number;
  /**
   * Takes RSA data key pairs, which need seconds of work each, from a pool of the process: no pair comes twice from one
   * in-memory KMS, but others get the same ones. Default `false`.
   */
  pooledKeyPairs?: boolean;
  /** Runs even if `NODE_ENV` is `production`. Keys live in memory and are lost with the process. Default `false`. */
  allowInProduction?: boolean;
}

/** Configuration of a `KMSClient` on an in-memory KMS. */
export interface KmsClientConfig {
  region: string;
  credentials: () => Promise<{ accessKeyId: string; secretAccessKey: string; expiration: Date }>;
  requestHandler: KmsRequestHandler;
}

/**
 * AWS KMS in memory, for tests: real cryptography, key states, policies, accounts, Regions, rotation, AWS's own errors,
 * and faults on demand.
 *
 * @example
 * ```ts
 * const kms = new InMemoryKms();
 * const keyArn = kms.createKey({ accountId: "111122223333", region: "us-east-1" });
 * const client = new KMSClient(kms.clientConfig("us-east-1"));
 * ```
 */
export class InMemoryKms extends KmsAdministration {
  /** Outages, throttling, denials and other faults on demand. */
  readonly faults: KmsFaults;
  /** Calls in order. */
  readonly journal: KmsJournal;
  /** For `new KMSClient({ region, credentials, requestHandler: kms.requestHandler })`. Serves every Region. */
  readonly requestHandler: KmsRequestHandler;
  readonly #principals: KmsPrincipals;
  readonly #state: KmsState;
  readonly #clock: Clock;
  /** What it was made with. */
  readonly #origin: { readonly snapshot: KmsSnapshot; readonly principals: readonly KmsPrincipal[] };
  #dataFile: KmsDataFile | undefined;
  readonly #service: KmsService;

  /** @throws Error if `NODE_ENV` is `production`; InvalidInputError for options that there are not; TypeError for a Region, ARN or policy that can't be one */
  constructor(given: InMemoryKmsOptions = {}) {
    const options = knownOptions(given, {
      clock: true,
      principals: true,
      seed: true,
      defaultAccountId: true,
      defaultIdentityPolicy: true,
      regions: true,
      journalLimit: true,
      pooledKeyPairs: true,
      allowInProduction: true,
    });
    refuseProduction(options.allowInProduction ?? false);
    const regions = options.regions && [options.regions].flat();
    regions?.forEach(requireRegion);
    const clock = options.clock ?? new MovableClock();
    const state = new KmsState(clock, new DataKeyPairs(options.pooledKeyPairs ?? false), regions);
    const seed = checkedSeed(options.seed ?? {});
    const accountId = options.defaultAccountId ?? seed.defaultAccountId ?? defaultAccountId;
    const identityPolicy = options.defaultIdentityPolicy ?? seed.defaultIdentityPolicy;
    requireAccountId(accountId, "defaultAccountId");
    super(state, accountId);
    this.#state = state;
    this.#clock = clock;
    this.#principals = new KmsPrincipals({ accountId, identityPolicy });
    this.faults = new KmsFaults(clock, (keyId, keyArn) => namesKey(state, keyId, keyArn));
    this.journal = new KmsJournal(options.journalLimit);
    for (const [index, principal] of (options.principals ?? []).entries())
      this.#principals.add(principal, `principals[${index}]`);
    for (const [index, principal] of (seed.principals ?? []).entries())
      placed(`seed.principals[${index}]`, () => this.#principals.add(principal, `seed.principals[${index}]`));
    sow(this, seed);
    this.#origin = { snapshot: state.snapshot(), principals: this.#principals.all() };
    this.#service = new KmsService({
      state,
      principals: this.#principals,
      faults: this.faults,
      journal: this.journal,
      regions,
      kept: () => this.#kept(),
    });
    this.requestHandler = new KmsRequestHandler((request) => this.handle(request));
  }

  /** Answers a request on the wire level. Every transport uses it; call it to build another. */
  handle(request: KmsHttpRequest): Promise<KmsAnswer> {
    return this.#service.answer(request);
  }

  /**
   * Listens for SDKs of any language, on loopback unless another `host` is given.
   * @throws InvalidInputError for options that there are not, and where `selfsigned` is missing; the system's error for a port that is taken
   */
  async listen(options: KmsListenOptions = {}): Promise<KmsEndpoint> {
    const checked = checkedListenOptions(options);
    const control = { kms: this, clock: this.#clock, kept: () => this.#kept() };
    return listen({ answer: (request) => this.handle(request), control, options: checked });
  }

  /**
   * Keys and aliases as they are now, as plain JSON with the key material in the clear. Faults, principals and journal are not
   * part of it.
   */
  snapshot(): KmsSnapshot {
    return this.#state.snapshot();
  }

  /**
   * Puts the keys and aliases of a snapshot, of this or another in-memory KMS, in the place of those that there are.
   * @throws InvalidInputError naming the field, for what is no snapshot; nothing has changed then
   */
  restore(snapshot: KmsSnapshot): void {
    this.#state.restore(snapshot);
  }

  /**
   * Goes back to the keys and callers that it was made with; ends all faults and empties the journal. Its own clock shows the
   * system's time again; one that was given stays as it is.
   */
  reset(): void {
    this.#state.restore(this.#origin.snapshot);
    this.#principals.replace(this.#origin.principals);
    this.faults.heal();
    this.journal.clear();
    if (this.#clock instanceof MovableClock) this.#clock.reset();
  }

  /**
   * Keeps keys and aliases in a file, for its owner alone: takes what is in it, and from then on answers a call only when what the call
   * has changed is there. What a test sets up beside the calls gets there with the next of them, and at `close()`. The file is whole at
   * every moment, also when the process is killed. One process at a time may use it.
   * @throws InvalidInputError for a file that holds no snapshot; the file system's error for one that can't be read or written
   */
  async keepIn(path: string): Promise<KmsDataFile> {
    if (this.#dataFile) throw new InvalidInputError("path", "must be the only file that it is kept in");
    const { openDataFile } = await import("./data-file.js");
    this.#dataFile = await openDataFile(path, this.#state);
    return this.#dataFile;
  }

  /** Adds a caller, who is known by its access key id. @throws TypeError for an ARN that is no IAM principal's */
  addPrincipal(principal: KmsPrincipalInit): KmsPrincipal {
    return this.#principals.add(principal);
  }

  /** Configuration of a `KMSClient` in a Region. Default caller: an administrator of `000000000000`. */
  clientConfig(
    region: string,
    caller: { accessKeyId: string } = { accessKeyId: "AKIAINMEMORYKMSADMIN" },
  ): KmsClientConfig {
    const credentials = async () => {
      if (this.faults.takesCredentialsOf(caller.accessKeyId)) throw credentialsError();
      // Due for renewal, so that the SDK loads them before each call and a fault shows at once.
      return {
        accessKeyId: caller.accessKeyId,
        secretAccessKey: "any-secret-will-do",
        expiration: new Date(Date.now() + 1000),
      };
    };
    return { region, credentials, requestHandler: this.requestHandler };
  }

  /** Resolves once what has changed is in the data file, if there is one. @throws AwsError as the service's own failure */
  #kept(): Promise<void> | undefined {
    return this.#dataFile?.upToDate().catch(() => {
      throw new AwsError("KMSInternalException", "What the call has changed could not be written to the data file.");
    });
  }
}

function refuseProduction(allowed: boolean): void {
  if (process.env["NODE_ENV"] !== "production" || allowed) return;
  throw new Error(
    "The in-memory KMS is for tests: its keys are gone with the process. Set allowInProduction (--allow-in-production) to use it although NODE_ENV is production.",
  );
}

/** Whether a key id in any form names this key. Alias names count in every account. */
function namesKey(state: KmsState, keyId: string, keyArn: string): boolean {
  const key = state.key(keyArn);
  if (!key) return keyId === keyArn;
  const aliases = state.aliases({ accountId: key.accountId, region: key.region, keyId: key.keyId });
  return [key.arn, key.keyId].includes(keyId) || aliases.some(({ arn, name }) => arn === keyId || name === keyId);
}
