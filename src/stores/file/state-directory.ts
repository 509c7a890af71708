import { posix, win32 } from "node:path";

/** Facts about the host and the user of a process. */
export interface HostFacts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** Home directory of the user, if the system knows one. */
  readonly home: string | undefined;
}

/**
 * The folder for the state of this user's programs on this host; `undefined` if none is known. Candidates that are not
 * absolute paths are skipped: they would change with the working directory.
 */
export function stateDirectory({ env, platform, home }: HostFacts): string | undefined {
  const path = platform === "win32" ? win32 : posix;
  const inHome = (...names: string[]) => home && path.join(home, ...names);
  const ofPlatform = () => {
    if (platform === "win32") return env["LOCALAPPDATA"];
    return platform === "darwin" ? inHome("Library", "Application Support") : inHome(".local", "state");
  };
  // Systemd lists one path for each `StateDirectory=` of the unit.
  const candidates = [env["STATE_DIRECTORY"]?.split(":")[0], env["XDG_STATE_HOME"], ofPlatform()];
  return candidates.find((candidate) => candidate !== undefined && path.isAbsolute(candidate));
}
