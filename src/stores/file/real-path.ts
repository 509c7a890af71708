import { readlink, stat } from "node:fs/promises";
import { isAbsolute, join, parse, relative, sep } from "node:path";
import { unavailable } from "./failures.js";

const separators = sep === "\\" ? /[\\/]/ : "/";
/** As many as Linux follows. */
const maxLinks = 40;

interface TracedPath {
  /** Every folder in which a name is looked up on the way, and the place itself; symbolic links are followed. */
  readonly entered: readonly string[];
  readonly realPath: string;
}

/** True for two absolute paths if the first is the second or lies inside it, by their text alone. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** An absolute path without symbolic links, also of a place that does not exist yet. */
export async function realPathOf(path: string): Promise<string> {
  return (await trace(path)).realPath;
}

/**
 * True if the way to `path` leads through `folder`: whoever can write to the folder then decides what is found at the
 * path, even where a link leads out of the folder again.
 */
export async function leadsInto(path: string, folder: string): Promise<boolean> {
  const [{ entered }, { realPath }] = await Promise.all([trace(path), trace(folder)]);
  if (entered.includes(realPath)) return true;
  const identity = await identityOf(realPath);
  // Text differs for one folder where the file system takes `A` for `a`, and where it is mounted twice.
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

/** Counts what is missing or does not answer as no link: a host remembers also while the disk of the store is away. */
async function targetOf(path: string): Promise<string | undefined> {
  return readlink(path).catch(() => undefined);
}

async function identityOf(folder: string): Promise<string | undefined> {
  const facts = await stat(folder, { bigint: true }).catch(() => undefined);
  // Some network file systems number nothing.
  return facts && facts.ino !== 0n ? `${facts.dev}:${facts.ino}` : undefined;
}
