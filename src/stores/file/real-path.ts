import { readlink, stat } from "node:fs/promises";
import { isAbsolute, join, parse, relative, sep } from "node:path";
import { unavailable } from "./failures.js";

const separators = sep === "\\" ? /[\\/]/ : "/";
/** Most links followed, as on Linux. */
const maxLinks = 40;

interface TracedPath {
  /** Every folder on the way in which a name is looked up, and the place itself. Follows symbolic links. */
  readonly entered: readonly string[];
  readonly realPath: string;
}

/** Whether an absolute path is a folder or lies inside it, by their text alone. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** The absolute path without symbolic links, also of a place that does not exist yet. */
export async function realPathOf(path: string): Promise<string> {
  return (await trace(path)).realPath;
}

/**
 * Whether the way to `path` leads through `folder`: then whoever can write to the folder decides what is found at the path,
 * even where a link leads out of the folder again.
 */
export async function leadsInto(path: string, folder: string): Promise<boolean> {
  const [{ entered }, { realPath }] = await Promise.all([trace(path), trace(folder)]);
  if (entered.includes(realPath)) return true;
  const identity = await identityOf(realPath);
  // One folder has two paths where the file system takes `A` for `a`, and where it is mounted twice.
  return identity !== undefined && (await Promise.all(entered.map(identityOf))).includes(identity);
}

async function trace(path: string): Promise<TracedPath> {
  let at = parse(path).root;
  const entered = [at];
  const names = path.slice(at.length).split(separators);
  for (let links = 0; ;) {
    const name = names.shift();
    if (name === undefined) return { entered, realPath: at };
    const next = join(at, name);
    const target = await targetOf(next);
    if (target === undefined) {
      at = next;
      entered.push(at);
      continue;
    }
    links += 1;
    if (links > maxLinks) throw unavailable(`follow ${path}`, tooManyLinks());
    const { root } = parse(target);
    if (root !== "") entered.push((at = root));
    names.unshift(...target.slice(root.length).split(separators));
  }
}

function tooManyLinks(): Error {
  return Object.assign(new Error("too many symbolic links"), { code: "ELOOP" });
}

/** The target of a link. A missing name is none, and so is a disk that does not answer: the store's may be away. */
async function targetOf(path: string): Promise<string | undefined> {
  return readlink(path).catch(() => undefined);
}

async function identityOf(folder: string): Promise<string | undefined> {
  const facts = await stat(folder, { bigint: true }).catch(() => undefined);
  // Some network file systems give no numbers.
  return facts && facts.ino !== 0n ? `${facts.dev}:${facts.ino}` : undefined;
}
