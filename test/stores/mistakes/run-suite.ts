import {
  keyPairStoreConformance,
  type KeyPairStoreConformanceOptions,
  type KeyPairStoreUnderTest,
} from "../../../src/testing/index.js";

interface Failure {
  /** Of the check. */
  readonly name: string;
  readonly error: Error;
}

/** Parts of the suite by name: the only one that is run, or the one that is run first. */
interface Parts {
  readonly only?: string;
  readonly first?: string;
}

/** Runs the suite outside any runner until a check fails. */
export async function failureOf(
  open: () => KeyPairStoreUnderTest | Promise<KeyPairStoreUnderTest>,
  options: KeyPairStoreConformanceOptions = {},
  { only = "", first = "" }: Parts = {},
): Promise<Failure | undefined> {
  const checks: [name: string, body: () => Promise<void>][] = [];
  const later: typeof checks = [];
  let path = "";
  const describe = (name: string, body: () => void) => {
    const outer = path;
    path += `/${name}`;
    body();
    path = outer;
  };
  const it = (name: string, body: () => Promise<void>) =>
    path.includes(only) && (path.includes(first) ? checks : later).push([name, body]);
  keyPairStoreConformance({ describe, it }, async () => open(), options);
  for (const [name, body] of [...checks, ...later]) {
    const error = await body().then(
      () => undefined,
      (failure: unknown) => failure as Error,
    );
    if (error) return { name, error };
  }
  return undefined;
}

/** Names of the tests that the suite declares. */
export function namesOf(
  options: KeyPairStoreConformanceOptions,
  { skipping = false } = {},
): { declared: string[]; skipped: string[] } {
  const [declared, skipped]: [string[], string[]] = [[], []];
  keyPairStoreConformance(
    {
      describe: (_name, body) => body(),
      it: (name) => declared.push(name),
      skip: skipping ? (name) => skipped.push(name) : undefined,
    },
    () => Promise.reject(new Error("nothing is opened")),
    options,
  );
  return { declared, skipped };
}
