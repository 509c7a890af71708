import { RecordingKeyStoreError, type RecordingKeyStoreRegistry } from "recording-keystore";

export interface RotationFailure {
  readonly organizationId: string;
  /** Of the library, with the kind of failure where there is one. */
  readonly code: string;
  readonly kind?: string;
}

export interface RotationReport {
  checked: number;
  changed: string[];
  notConfigured: number;
  /** KMS refuses: the organization's own administrator has to act, and its `status()` says so. */
  refused: RotationFailure[];
  /** Anything else: this service has to act, or it passes by itself and the next run makes up for it. */
  failed: RotationFailure[];
  /** Organizations that the time did not suffice for. */
  left: number;
}

/**
 * Has every organization's due change of key made. One that fails keeps none of the others from theirs, and encryption needs
 * none of this: it goes on with the key pair that there is.
 */
export async function rotateAll(
  registry: RecordingKeyStoreRegistry,
  organizationIds: AsyncIterable<string>,
  { concurrency = 16, timeLeft }: { concurrency?: number; timeLeft: () => boolean },
): Promise<RotationReport> {
  const report: RotationReport = { checked: 0, changed: [], notConfigured: 0, refused: [], failed: [], left: 0 };
  const queue = organizationIds[Symbol.asyncIterator]();
  const worker = async () => {
    for (let next = await queue.next(); !next.done; next = await queue.next()) {
      if (timeLeft()) await rotateOne(registry, next.value, report);
      else report.left += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return report;
}

async function rotateOne(registry: RecordingKeyStoreRegistry, organizationId: string, report: RotationReport) {
  report.checked += 1;
  try {
    const keyStore = await registry.for(organizationId);
    if ((await keyStore.rotateIfDue()).rotated) report.changed.push(organizationId);
  } catch (error) {
    // A code and a kind say enough, and never hold what a log should not.
    const code = error instanceof RecordingKeyStoreError ? error.code : "UNKNOWN";
    const kind = (error as { kind?: string } | undefined)?.kind;
    if (code === "ERR_NOT_CONFIGURED") report.notConfigured += 1;
    else
      (code === "ERR_KMS_REFUSED" ? report.refused : report.failed).push({
        organizationId,
        code,
        ...(kind && { kind }),
      });
  }
}
