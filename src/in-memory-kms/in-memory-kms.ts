import { systemClock, type Clock } from "../clock.js";
import { KmsAdministration } from "./administration.js";
import { requireRegion } from "./arn.js";
import { KmsFaults } from "./faults.js";
import { listen, type KmsEndpoint } from "./http-endpoint.js";
import { KmsJournal } from "./journal.js";
import { KmsPrincipals, type KmsPrincipal, type KmsPrincipalInit } from "./principals.js";
import { credentialsError, KmsRequestHandler } from "./request-handler.js";
import { KmsService, type KmsAnswer } from "./service.js";
import { KmsSnapshot, KmsState } from "./state.js";
import type { KmsHttpRequest } from "./wire.js";

export interface InMemoryKmsOptions {
  /** Tells deletion and rotation dates; the system's unless given. `Date` headers stay real time. */
  clock?: Clock;
  /** Who may call. An access key id that is not listed administers the account `000000000000`. */
  principals?: readonly KmsPrincipalInit[];
  /** The Regions that exist; all unless given. */
  regions?: readonly string[];
  /** How many calls the journal keeps; 100,000 unless given. */
  journalLimit?: number;
  /** Run although `NODE_ENV` is `production`. Keys live in memory and are gone with the process. */
  allowInProduction?: boolean;
}

/** What `new KMSClient(…)` needs to reach an in-memory KMS. */
export interface KmsClientConfig {
  region: string;
  credentials: () => Promise<{ accessKeyId: string; secretAccessKey: string; expiration: Date }>;
  requestHandler: KmsRequestHandler;
}

/**
 * AWS KMS in memory, for tests: real cryptography, key states, policies, accounts, Regions, rotation, AWS's own errors,
 * and faults on demand.
 *
 * ```ts
 * const kms = new InMemoryKms();
 * const keyArn = kms.createKey({ accountId: "111122223333", region: "us-east-1" });
 * const client = new KMSClient(kms.clientConfig("us-east-1"));
 * ```
 */
export class InMemoryKms extends KmsAdministration {
  /** Outage, throttling, denial … on demand. */
  readonly faults: KmsFaults;
  /** Every call, in order. */
  readonly journal: KmsJournal;
  /** `new KMSClient({ region, credentials, requestHandler: kms.requestHandler })`; serves every Region. */
  readonly requestHandler: KmsRequestHandler;
  readonly #principals = new KmsPrincipals();
  readonly #state: KmsState;
  readonly #service: KmsService;

  constructor(options: InMemoryKmsOptions = {}) {
    refuseProduction(options.allowInProduction ?? false);
    [options.regions ?? []].flat().forEach(requireRegion);
    const clock = options.clock ?? systemClock;
    const state = new KmsState(clock);
    super(state);
    this.#state = state;
    this.faults = new KmsFaults(clock, (keyId, keyArn) => means(state, keyId, keyArn));
    this.journal = new KmsJournal(options.journalLimit);
    for (const principal of options.principals ?? []) this.#principals.add(principal);
    this.#service = new KmsService({
      state,
      principals: this.#principals,
      faults: this.faults,
      journal: this.journal,
      regions: options.regions && [options.regions].flat(),
    });
    this.requestHandler = new KmsRequestHandler((request) => this.handle(request));
  }

  /** Answers one wire-level request. The doors are made of this; call it to build another. */
  handle(request: KmsHttpRequest): Promise<KmsAnswer> {
    return this.#service.answer(request);
  }

  /** Listens on loopback, for SDKs of any language; a free port unless given. */
  listen(options: { port?: number } = {}): Promise<KmsEndpoint> {
    return listen((request) => this.handle(request), options.port ?? 0);
  }

  /** Keys and aliases as they are now. Faults, principals and the journal are not part of it. */
  snapshot(): KmsSnapshot {
    return this.#state.snapshot();
  }

  /** Back to a snapshot of this or another in-memory KMS. */
  restore(snapshot: KmsSnapshot): void {
    if (!(snapshot instanceof KmsSnapshot))
      throw new TypeError("restore takes what snapshot() of an in-memory KMS gave");
    this.#state.restore(snapshot);
  }

  /** Introduces a caller; its access key id then stands for it. */
  addPrincipal(principal: KmsPrincipalInit): KmsPrincipal {
    return this.#principals.add(principal);
  }

  /** Configuration for a `KMSClient` of a Region, as a caller (an administrator of `000000000000` unless given). */
  clientConfig(
    region: string,
    caller: { accessKeyId: string } = { accessKeyId: "AKIAINMEMORYKMSADMIN" },
  ): KmsClientConfig {
    const credentials = async () => {
      if (this.faults.takesCredentialsOf(caller.accessKeyId)) throw credentialsError();
      // Already due for renewal, so that the SDK asks before each call and a fault shows at once.
      return {
        accessKeyId: caller.accessKeyId,
        secretAccessKey: "any-secret-will-do",
        expiration: new Date(Date.now() + 1000),
      };
    };
    return { region, credentials, requestHandler: this.requestHandler };
  }
}

function refuseProduction(allowed: boolean): void {
  if (process.env["NODE_ENV"] !== "production" || allowed) return;
  throw new Error(
    "The in-memory KMS is for tests: its keys are gone with the process. Set allowInProduction (--allow-in-production) to use it although NODE_ENV is production.",
  );
}

/** Whether a key id, in any form, means this key; an alias name in whatever account. */
function means(state: KmsState, keyId: string, keyArn: string): boolean {
  const key = state.key(keyArn);
  if (!key) return keyId === keyArn;
  const aliases = state.aliases({ accountId: key.accountId, region: key.region, keyId: key.keyId });
  return [key.arn, key.keyId].includes(keyId) || aliases.some(({ arn, name }) => arn === keyId || name === keyId);
}
