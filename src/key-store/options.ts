import type { AuditSink } from "../audit/sink.js";
import type { Clock } from "../clock.js";
import { type KeyPairSpec, type PeriodicKeyChange } from "../format/vocabulary.js";
import type { TestStep } from "../key-pairs/operations/configuration-test.js";
import type { EarlierRewrap, RewrapProgress } from "../key-pairs/operations/rewrap.js";
import type { KmsProvider } from "../kms/kms-provider.js";
import type { RecordingInput } from "../recording/bodies.js";
import type { FileProgress } from "../recording/files/progress.js";
import type { RandomAccessSource } from "../recording/random-access-source.js";
import type { KeyPairStore } from "../stores/key-pair-store.js";
import type { LastConfirmedStore } from "../stores/last-confirmed-store.js";

/** What an administrator decides: the input of `test()` and `configure()`. */
export interface ConfigurationInput {
  /** `arn:{partition}:kms:{region}:{account}:alias/{name}`, in the partitions `aws`, `aws-us-gov` and `aws-cn`. */
  kmsKeyAliasArn: string;
  /** Default `monthly`. */
  periodicKeyChange?: PeriodicKeyChange;
  /** Default `X25519`. RSA pairs are made by KMS and are not possible with keys in custom key stores. */
  keyPairSpec?: KeyPairSpec;
}

/** Options of the `RecordingKeyStore` constructor. All times are in milliseconds. */
export interface RecordingKeyStoreOptions {
  /** 1 to 128 of `A-Z a-z 0-9 . _ : @ + = , -`, beginning with a letter or digit. */
  organizationId: string;
  /** The AWS Region in which the KMS key must exist. */
  homeRegion: string;
  kms: KmsProvider;
  store: KeyPairStore;
  /**
   * Which KMS keys may count, whatever the store says. An account id covers all its keys and aliases; an alias ARN covers
   * every key that it could point at, unless key ARNs that it could point at are listed beside it, to which it is then
   * pinned; a key ARN covers that key (and its replicas), and lets `configure()` name any alias that could point at it.
   * Without the option the first alias met is trusted on first use: `status()` shows it, and a warning says so.
   */
  trustedKmsKeys?: readonly string[];
  /**
   * KMS keys (account ids, alias ARNs, key ARNs) under which a recording may be opened by the wrapped private half it
   * carries itself, when the store does not have its key pair. Off by default.
   */
  embeddedKeys?: readonly string[];
  /** Further Regions in which a multi-Region key may decrypt while the home Region can't be reached. */
  decryptRegions?: readonly string[];
  /**
   * Name under which the organization's id stands in the encryption context of every KMS call, as key policies have it.
   * Default `genesys-cloud-organization-id`. Of a list, the first one is for new key pairs, and the others are those of
   * pairs made earlier. A stored pair with any other name is not used.
   */
  contextKeyName?: string | readonly string[];
  /** Host-side memory of the last confirmed key. Default: the store's own `hostLastConfirmed()`, else this process. */
  lastConfirmed?: LastConfirmedStore;
  /**
   * Secret that all workers of the service share and the key pair store does not know: 32 bytes or more of random, from the
   * service's secret manager. With it the workers vouch for the active pair to each other through the store, so that one
   * that starts while KMS is away, or refuses, holds the last confirmed key. Of a list, the first one signs and all are
   * accepted, so that the secret can be changed. Copied at once.
   */
  fleetSecret?: Uint8Array | readonly Uint8Array[];
  /** Refuse to encrypt with a key that nobody has vouched for. Default true with a `fleetSecret`, otherwise false. */
  requireConfirmedKey?: boolean;
  /** Refuse to encrypt when the key was last confirmed longer ago than this. Default: no limit. */
  maxLastConfirmedAge?: number;
  /**
   * How long an unwrapped private key stays in memory: 0 to 300,000, default 60,000. With 0 none does, and an open reader or
   * stream, which holds the data key of its recording, asks KMS again after 1,000.
   */
  privateKeyTtl?: number;
  /** How often an organization in use has its key confirmed again. Default 900,000. */
  confirmEvery?: number;
  /**
   * How long a process's first use waits for KMS where host or fleet remember a vouched pair. Default 500. Where nobody
   * does, it waits for as long as the KMS provider takes.
   */
  confirmTimeout?: number;
  /**
   * How long one call to the KMS provider may take before it counts as without an answer, should the provider not end it
   * itself: 10 to 600,000, default 30,000. Longer than the provider's own deadlines.
   */
  kmsTimeout?: number;
  /** How long one call to the store may take before the store counts as away: 10 to 600,000, default 5,000. */
  storeTimeout?: number;
  /**
   * How long the store's head is relied on before it is read again, or before a store that tells of changes to heads is asked for
   * them, once for all organizations: then the head itself is read when it has changed, and once an hour. Default 60,000.
   */
  headTtl?: number;
  /** False leaves rotation and confirmation to explicit calls (Lambda, cron). Default true. */
  background?: boolean;
  /** Put the wrapped private half into each recording, so that recording and KMS are enough. Default true. */
  selfContained?: boolean;
  /** Where the audit log goes: openings, what administrators and operators do, and what befalls the key. Default: none. */
  auditSink?: AuditSink;
  /**
   * Refuse to open a recording, and to change anything for an administrator or operator, while the sink takes no entries
   * (`ERR_AUDIT_UNAVAILABLE`). Encryption, and the changes of key that are due, never wait for the sink. Default true.
   */
  auditRequired?: boolean;
  /** How long one entry may take: 10 to 600,000, default 5,000. */
  auditTimeout?: number;
  clock?: Clock;
}

/** What an organization may have of its own: whatever a `RecordingKeyStore` takes but its id and its clock. */
export type OrganizationOptions = Partial<Omit<RecordingKeyStoreOptions, "organizationId" | "clock">>;

/** Looks up what an organization has of its own. Throws for one that is unknown; `signal` aborts at `resolveTimeout`. */
export type OrganizationResolver = (
  organizationId: string,
  options: { signal: AbortSignal },
) => OrganizationOptions | Promise<OrganizationOptions>;

/**
 * Options of the `RecordingKeyStoreRegistry` constructor: those of a `RecordingKeyStore`, which hold for every organization that
 * has no other of its own, and what bounds all organizations of the process together. Times are in milliseconds.
 */
export interface RecordingKeyStoreRegistryOptions extends Omit<
  RecordingKeyStoreOptions,
  "organizationId" | "homeRegion"
> {
  /** Needed unless `resolveOrganization` gives every organization its own. */
  homeRegion?: string;
  /** What an organization has of its own. Asked once per organization, and again after `release()`. */
  resolveOrganization?: OrganizationResolver;
  /** How long `resolveOrganization` may take: 0 to 600,000, default 30,000. */
  resolveTimeout?: number;
  /**
   * How many key stores are kept while nobody holds them, from 1, default 10,000. The least recently used go first. One
   * with open work, in trouble, or with listeners of its own is kept beyond that.
   */
  maxIdleKeyStores?: number;
  /** How many unwrapped private keys are in memory at a time, over all organizations: from 0, default 1,000. */
  maxPrivateKeys?: number;
  /**
   * How many KMS calls are under way at a time in one Region, over all organizations: 2 to 100,000, default 50, which is
   * how many sockets the AWS SDK opens to a host.
   */
  kmsCallsPerRegion?: number;
  /** How often the one timer looks for due confirmations and changes of key: 10 to 60,000, default 1,000. */
  maintenanceInterval?: number;
}

export interface CallOptions {
  signal?: AbortSignal;
}

/** Who does something and why, for the audit log alone: never in a recording, an error or a metric. */
export interface AuditedCallOptions extends CallOptions {
  /** The user or service on whose behalf: 1 to 256 bytes of UTF-8 without control characters. */
  actor?: string;
  /** Why, such as a ticket: 1 to 512 bytes of UTF-8 without control characters. */
  reason?: string;
}

/** How long open work is waited for. */
export interface CloseOptions extends CallOptions {
  /**
   * Longest wait for open streams and calls, in ms, from 0 to 86,400,000: after it they are aborted. Unlike
   * `AbortSignal.timeout`, it keeps the process alive until then. Default: no limit.
   */
  timeout?: number;
}

/** Which part of the history of key pairs is wanted. */
export interface PageOptions extends CallOptions {
  /** Most key pairs of a page: 1 to 1,000, default 50. */
  limit?: number;
  /** `nextCursor` of the page before. */
  cursor?: string;
}

/** How {@link ConfigurationInput} is tested. */
export interface TestOptions extends AuditedCallOptions {
  /**
   * Told of each step of the report as soon as it has ended, in the order of `testStepNames`: the first one that it was not told of
   * is under way. After a failure the others follow as `skipped`, and after an abort none. It is not waited for; what it throws is
   * ignored.
   */
  onStep?: (step: TestStep) => void;
}

/** How {@link ConfigurationInput} is saved. */
export interface ConfigureOptions extends TestOptions {
  /**
   * Make no new key pair where this configuration is that of the active, vouched pair already: for a service that configures
   * at each start. Default false: saving makes a new pair.
   */
  onlyIfChanged?: boolean;
  /**
   * The operator's word that the store's head, for which nobody vouches, may be left behind. The history goes on from the
   * pair that this process holds, or begins anew where it holds none. Default false.
   */
  newHistory?: boolean;
}

/** Of calls that can say what they would do. */
export interface DryRunOptions extends AuditedCallOptions {
  /** Say what would be done, and do nothing. Default false. */
  dryRun?: boolean;
}

/** How `rewrapKeyPairs()` goes about it. */
export interface RewrapOptions extends DryRunOptions {
  /** How many key pairs are in work at a time, with one KMS call each: 1 to 64, default 8. */
  concurrency?: number;
  /**
   * An earlier report, also as JSON: what KMS has opened by it, and the store still holds, is not asked about again. It is believed:
   * keep it where nobody who can write to the store can change it.
   */
  resume?: EarlierRewrap;
  /** Told after each key pair how far it is. What it throws is ignored. */
  onProgress?: (progress: RewrapProgress) => void;
}

/** For how long an exported public bundle encrypts. */
export interface ExportPublicBundleOptions extends CallOptions {
  /**
   * In ms, 60,000 to 31,622,400,000 (366 days), default 86,400,000 (one day). Workers with the bundle hear nothing of a change of key,
   * or of a KMS key at risk, before they get another one.
   */
  validFor?: number;
}

/** What `keyUsage()` is to find out. */
export interface KeyUsageOptions extends CallOptions {
  /** Have KMS open each private half under each KMS key that wraps it. Default false: KMS is not asked. */
  probe?: boolean;
  /** How long recordings are kept, in ms, from 0 to 3,155,760,000,000 (100 years): with it the report says when a KMS key may be retired. */
  retention?: number;
  /** Ids of key pairs that the operator knows to be compromised. Default: none. */
  compromised?: readonly string[];
}

/** Recordings, one after the other, or what reads them. */
export type RecordingsToRead =
  Iterable<RecordingInput | RandomAccessSource> | AsyncIterable<RecordingInput | RandomAccessSource>;

/** Names a recording. The same names must be given to open it. */
export interface RecordingName {
  /** 1 to 1,024 bytes of UTF-8. */
  recordingId: string;
  /** Tells audio, screen and transcript of one recording apart: 1 to 128 bytes of UTF-8. Default `main`. */
  asset?: string;
}

/** How many cores work on one recording. */
export interface ThreadOptions {
  /**
   * Threads that work on bytes in memory or on a file: 1 is the calling one alone, up to 64 can be asked for, and 0, the
   * default, lets size and number of cores decide. They are started for the recording and ended with it, some 40 ms each:
   * unasked from 256 MiB on, a second one for bytes where there are two cores, 3 or 4 for files where there are so many.
   * On bytes the calling thread is one of them; a file is left to the others. Streams are the calling thread's alone,
   * whatever is asked for.
   */
  threads?: number;
}

export interface EncryptOptions extends RecordingName, CallOptions, ThreadOptions {
  /** Authenticated, but readable by anyone who has the file: not for personal data. A JSON object, at most 8 KiB. */
  publicMetadata?: Readonly<Record<string, unknown>>;
  /**
   * Encrypted with the recording, and readable without its audio by whoever may open it: phone numbers, participants, a
   * channel map. A JSON object, at most 64 KiB; of its length only the next multiple of 256 bytes shows.
   */
  metadata?: Readonly<Record<string, unknown>>;
  /** Bytes of recording per segment: 4,096 to 16,777,216, default 65,536. A smaller one loses less in a crash. */
  segmentSize?: number;
}

export interface DecryptOptions extends RecordingName, AuditedCallOptions {
  /**
   * Have KMS unwrap the key pair's private half for this call, also where it is in memory still: for whoever wants KMS's word that
   * this very recording opens. At most one KMS call more: calls for one key pair at the same moment share it. Default false.
   */
  askKms?: boolean;
}

/** What {@link DecryptOptions} are to one recording as a whole. */
export interface DecryptRecordingOptions extends DecryptOptions, ThreadOptions {}

/** How a file is made out of another; the result says how many threads took part. */
export interface FileOptions extends ThreadOptions {
  /** Whether an output file that exists may be replaced, in one step and only by a whole one. Default false. */
  overwrite?: boolean;
  /** Told about every 100 ms, and once at the end, how far it is. What it throws is ignored. */
  onProgress?: (progress: FileProgress) => void;
}

export interface EncryptFileOptions extends EncryptOptions, FileOptions {}

export interface DecryptFileOptions extends DecryptOptions, FileOptions {}
