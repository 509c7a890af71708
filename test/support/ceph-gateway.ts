import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { openSync, closeSync, readFileSync, rmSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { hasPrograms, installDebianPackages } from "./debian-packages.js";
import { atLength } from "./effort.js";
import { freePort } from "./free-port.js";
import { temporaryFolder, withContents } from "./temporary-folder.js";

const run = promisify(execFile);

/** Longest time of one step of the start, in ms, on however busy a machine. */
const patience = 120_000;
const programs = ["ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin"];

/** Whether tests run on Ceph: at length, installed from Debian's packages where it is missing. Says so where it can't be. */
export async function hasCeph(): Promise<boolean> {
  if (!atLength(true, false)) return false;
  if (await hasPrograms(...programs)) return true;
  await installDebianPackages("ceph-mon", "ceph-osd", "radosgw").catch(() => undefined);
  const installed = await hasPrograms(...programs);
  if (!installed)
    console.warn("not checked: S3 on Ceph, since Debian's ceph-mon, ceph-osd and radosgw can't be installed");
  return installed;
}

/** The S3 of a real Ceph: a monitor, one disk that lies in memory, and a gateway, with a user `AKIATEST` whose secret is `test`. */
export class CephGateway {
  endpoint = "";
  readonly #folder: string;
  readonly #processes: ChildProcess[] = [];
  #gateway: ChildProcess | undefined;

  static async start(): Promise<CephGateway> {
    for (let attempt = 1; ; attempt += 1) {
      const { folder } = await temporaryFolder("ceph-");
      const gateway = new CephGateway(folder);
      try {
        await gateway.#start();
        return gateway;
      } catch (error) {
        const log = gateway.#log();
        await gateway.stop();
        // Another process may have taken a port in between.
        if (attempt === 3) throw new Error(`Ceph did not start: ${log}`, { cause: error });
      }
    }
  }

  private constructor(folder: string) {
    this.#folder = folder;
    process.on("exit", this.#onExit);
  }

  async stop(): Promise<void> {
    process.off("exit", this.#onExit);
    // The gateway first, so that nobody waits for a disk that has gone.
    for (const child of this.#processes.reverse()) await killed(child);
    await rm(this.#folder, withContents);
  }

  /** Ends the gateway alone, as if it had crashed; what it has stored stays. */
  async stopGateway(): Promise<void> {
    if (this.#gateway) await killed(this.#gateway);
  }

  /** Starts the gateway, again on the port that it had. */
  async startGateway(): Promise<void> {
    const gateway = this.#spawn("radosgw", "--id", "rgw", "-f");
    this.#gateway = gateway;
    const end = performance.now() + patience;
    while (!(await fetch(this.endpoint).catch(() => undefined))) {
      if (gateway.exitCode !== null || performance.now() > end) throw new Error("the gateway does not answer");
      await sleep(100);
    }
  }

  /** Sends the gateway a signal: `SIGSTOP` freezes it, `SIGCONT` thaws it. */
  signalGateway(name: "SIGSTOP" | "SIGCONT"): void {
    this.#gateway?.kill(name);
  }

  async #start(): Promise<void> {
    const [monitor, gateway] = [await freePort(), await freePort()];
    const [cluster, disk] = [randomUUID(), randomUUID()];
    for (const name of ["mon", "osd", "rgw", "run"]) await mkdir(join(this.#folder, name));
    await writeFile(this.#path("ceph.conf"), settings(this.#folder, cluster, monitor, gateway));
    const address = `[v1:127.0.0.1:${monitor}]`;
    await run("monmaptool", ["--create", "--fsid", cluster, "--addv", "a", address, this.#path("monmap")]);
    await this.#run("ceph-mon", "--id", "a", "--mkfs", "--monmap", this.#path("monmap"), "--keyring", "/dev/null");
    this.#spawn("ceph-mon", "--id", "a", "-f");
    await this.#run("ceph", "osd", "new", disk, "0");
    await this.#run("ceph-osd", "--id", "0", "--mkfs", "--osd-uuid", disk, "--osd-objectstore", "memstore");
    this.#spawn("ceph-osd", "--id", "0", "-f");
    const user = ["--uid=tests", "--display-name=tests", "--access-key=AKIATEST", "--secret=test"];
    await this.#run("radosgw-admin", "--id", "rgw", "user", "create", ...user);
    this.endpoint = `http://127.0.0.1:${gateway}`;
    await this.startGateway();
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  async #run(program: string, ...args: readonly string[]): Promise<void> {
    await run(program, ["-c", this.#path("ceph.conf"), ...args], { timeout: patience, killSignal: "SIGKILL" });
  }

  #spawn(program: string, ...args: readonly string[]): ChildProcess {
    const log = openSync(this.#path("log"), "a");
    const child = spawn(program, ["-c", this.#path("ceph.conf"), ...args], { stdio: ["ignore", log, log] });
    closeSync(log);
    this.#processes.push(child);
    return child;
  }

  #log(): string {
    try {
      return readFileSync(this.#path("log"), "utf8").slice(-2_000);
    } catch {
      return "";
    }
  }

  /** A test run that is broken off leaves no server behind. */
  readonly #onExit = () => {
    for (const child of this.#processes) child.kill("SIGKILL");
    rmSync(this.#folder, withContents);
  };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** One copy of everything, in memory, on loopback, without keys between the parts. */
function settings(folder: string, cluster: string, monitor: number, gateway: number): string {
  return `[global]
fsid = ${cluster}
mon_host = v1:127.0.0.1:${monitor}
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv4 = true
ms_bind_ipv6 = false
ms_bind_msgr2 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 10000
run_dir = ${folder}/run
admin_socket = ${folder}/run/$name.$pid.asok
pid_file = ${folder}/run/$name.pid
log_file = ${folder}/$name.log
crash_dir = ${folder}
[mon.a]
host = localhost
mon_data = ${folder}/mon
mon_addr = v1:127.0.0.1:${monitor}
[osd.0]
osd_data = ${folder}/osd
[client.rgw]
rgw_data = ${folder}/rgw
rgw_frontends = beast endpoint=127.0.0.1:${gateway}
`;
}
