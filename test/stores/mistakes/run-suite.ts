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

/**
 * Runs the suite outside any runner until a check fails.
 * @param part - name of the only part to run
 */
export async function failureOf(
  open: () => KeyPairStoreUnderTest | Promise<KeyPairStoreUnderTest>,
  options: KeyPairStoreConformanceOptions = {},
  part = "",
): Promise<Failure | undefined> {
  const checks: [string, () => Promise<void>][] = [];
  let path = "";
  const describe = (name: string, body: () => void) => {
    const outer = path;
    path += `/${name}`;
    body();
    path = outer;
  };
  const it = (name: string, body: () => Promise<void>) => path.includes(part) && checks.push([name, body]);
  keyPairStoreConformance({ describe, it }, async () => open(), options);
  for (const [name, body] of checks) {
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
