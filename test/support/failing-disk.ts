import type * as FileSystem from "node:fs/promises";

type Call = (...args: never[]) => Promise<unknown>;

/** Every call of the file system in order, one of which fails, once or each time. */
export const disk = {
  /** Calls since {@link watch}, such as `link`, `handle.sync`. */
  calls: [] as string[],
  /** Descriptors that are open. */
  open: new Set<object>(),
  /** The failure of a call, by its number and name. */
  failure: (() => undefined) as (call: number, name: string) => Error | undefined,
};

/** Begins to count, with the failure of each call. */
export function watch(failure: typeof disk.failure = () => undefined): void {
  disk.calls = [];
  disk.failure = failure;
}

/** What the operating system answers. */
export function errno(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: as the test says`), { code });
}

/** `node:fs/promises` with its calls under watch: for `vi.mock`. */
export function watched(real: typeof FileSystem): typeof FileSystem {
  const names = ["access", "chmod", "link", "lstat", "mkdir", "readdir", "readlink"] as const;
  const more = ["rename", "rmdir", "stat", "unlink"] as const;
  const calls = Object.fromEntries([...names, ...more].map((name) => [name, watchedCall(name, real[name] as Call)]));
  const open = watchedCall("open", async (...args: Parameters<typeof real.open>) => {
    const handle = await real.open(...args);
    disk.open.add(handle);
    return watchedHandle(handle);
  });
  return { ...real, ...calls, open };
}

function watchedHandle(handle: FileSystem.FileHandle): FileSystem.FileHandle {
  const methods = [
    "appendFile",
    "chmod",
    "read",
    "readFile",
    "stat",
    "utimes",
    "write",
    "writeFile",
    "writev",
  ] as const;
  for (const name of methods)
    Object.assign(handle, { [name]: watchedCall(`handle.${name}`, handle[name].bind(handle) as Call) });
  // Nobody cuts the power, and a disk takes its time.
  Object.assign(handle, { sync: watchedCall("handle.sync", async () => undefined) });
  const close = handle.close.bind(handle);
  // As the kernel does it: a descriptor is gone also where closing fails.
  const closed = async () => {
    disk.open.delete(handle);
    await close();
    note("handle.close");
  };
  return Object.assign(handle, { close: closed });
}

function watchedCall<C extends Call>(name: string, call: C): C {
  const watchedOne = async (...args: Parameters<C>) => {
    note(name);
    return call(...args);
  };
  return watchedOne as unknown as C;
}

function note(name: string): void {
  const failure = disk.failure(disk.calls.push(name) - 1, name);
  if (failure) throw failure;
}
