import { appendFile, readFile } from "node:fs/promises";
import type { AuditEvent, AuditSink } from "recording-keystore/audit";

/**
 * Remembers who made which key pair, from what the key store tells its audit log. A service of your own has a log for all of
 * it: `recording-keystore/audit` keeps one that nobody can change unnoticed.
 */
export class KeyChanges implements AuditSink {
  readonly #file: string;
  readonly #actors: Map<string, string>;

  private constructor(file: string, actors: Map<string, string>) {
    this.#file = file;
    this.#actors = actors;
  }

  static async open(file: string): Promise<KeyChanges> {
    const text = await readFile(file, "utf8").catch(() => "");
    const lines = text.split("\n").filter((line) => line !== "");
    return new KeyChanges(file, new Map(lines.map((line) => JSON.parse(line) as [string, string])));
  }

  /** Who made a key pair; `undefined` for the schedule. */
  actorOf(keyPairId: string): string | undefined {
    return this.#actors.get(keyPairId);
  }

  async append({ api, status, actor, resources }: AuditEvent): Promise<void> {
    const made = resources?.find(({ type }) => type === "key pair")?.uid;
    if (status !== "Success" || !["configure", "rotate"].includes(api.operation) || !made || !actor.user) return;
    this.#actors.set(made, actor.user.uid);
    await appendFile(this.#file, `${JSON.stringify([made, actor.user.uid])}\n`, { mode: 0o600 });
  }
}
