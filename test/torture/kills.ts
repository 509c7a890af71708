import type { KeyPairStore } from "../../src/stores/key-pair-store.js";
import { WorkerProcess } from "../support/worker-process.js";
import { KillTrial } from "./kill-trial.js";
import { startPlace, type PlaceName } from "./places.js";
import type { Deed, Said } from "./said.js";
import { storeAt, type Place } from "../stores/store-at.js";

/** What became of processes that were killed. */
export interface KillReport {
  kills: number;
  /** How many of them were in the middle of each deed. */
  readonly during: Record<Deed, number>;
  /** Key pairs and recordings that were acknowledged; each was there afterwards, and opened, unless `faults` says otherwise. */
  pairs: number;
  recordings: number;
  /** Rewraps that were acknowledged as complete. */
  rewraps: number;
  /** Pairs that never were active: removed on proof, or kept for want of one. */
  orphansRemoved: number;
  orphansKept: number;
  /** Everything that should not have been. */
  readonly faults: string[];
}

/** An organization is new after so many kills, so that histories stay short. */
const killsOfOrganization = 20;
/** Processes of one organization that run, race and are killed together. */
const together = 2;

export interface KillOptions {
  readonly kind: PlaceName;
  readonly kills: number;
  /** `kill-worker.ts`, compiled. */
  readonly program: string;
  /** Organizations at a time. Default 1. */
  readonly lanes?: number | undefined;
  /** Told after each kill. */
  readonly onKill?: ((report: KillReport) => void) | undefined;
}

/** Kills processes at random moments of what they do to a store of a kind, and looks after each time for what is lost. */
export async function killProcesses({ kind, kills, program, lanes = 1, onKill }: KillOptions): Promise<KillReport> {
  const report: KillReport = {
    kills: 0,
    during: { configure: 0, rotate: 0, rewrap: 0 },
    pairs: 0,
    recordings: 0,
    rewraps: 0,
    orphansRemoved: 0,
    orphansKept: 0,
    faults: [],
  };
  const { place, stop } = await startPlace(kind);
  const { store, close } = storeAt(place);
  let [left, organizations] = [kills, 0];
  const lane = async (): Promise<void> => {
    while (left > 0) {
      const share = Math.min(left, killsOfOrganization);
      left -= share;
      organizations += 1;
      const organizationId = `org-${organizations}`;
      await killAll({ share, organizationId, place, program, store, report, onKill });
    }
  };
  try {
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    await close();
    await stop();
  }
  return report;
}

interface Share extends Pick<KillOptions, "program" | "onKill"> {
  /** Number of kills. */
  readonly share: number;
  readonly organizationId: string;
  readonly place: Place;
  readonly store: KeyPairStore;
  readonly report: KillReport;
}

/** The kills of one organization. Never rejects: what goes wrong is a fault of the report. */
async function killAll({ share, organizationId, place, program, store, report, onKill }: Share): Promise<void> {
  const trial = new KillTrial(store, organizationId, report);
  const pace = new Pace();
  try {
    let lives = 0;
    for (let left = share; left > 0; left -= together) {
      lives += 1;
      const args = [JSON.stringify(place), organizationId, String(lives)];
      const processes = Array.from({ length: Math.min(left, together) }, () => new WorkerProcess(program, args));
      const lines = await Promise.all(processes.map((process) => killed(process, pace)));
      for (const said of lines) {
        report.kills += 1;
        const last = said.findLast((line) => "begin" in line || "end" in line);
        if (last && "begin" in last) report.during[last.begin] += 1;
      }
      await trial.lookAfter(lives, lines.flat());
      onKill?.(report);
    }
    await trial.end(lives, share);
  } catch (error) {
    report.faults.push(`${organizationId}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

/** Kills a process at a random moment of one of its first deeds; gives what it has said. */
async function killed(process: WorkerProcess, pace: Pace): Promise<Said[]> {
  try {
    await process.line(Math.floor(Math.random() * 12));
    await pace.moment();
  } finally {
    await process.kill();
  }
  const said = process.lines.map((line) => JSON.parse(line) as Said);
  pace.learn(said);
  return said;
}

/** How long a deed takes on this machine, so that random moments fall into its middle. */
class Pace {
  /** In ms. */
  #usual = 10;

  learn(said: readonly Said[]): void {
    for (const line of said) if ("end" in line) this.#usual += (line.ms - this.#usual) / 10;
  }

  moment(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, Math.random() * 1.5 * this.#usual));
  }
}
