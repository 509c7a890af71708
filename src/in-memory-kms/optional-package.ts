/**
 * Loads a package that few need; `undefined` where it is not installed. It takes the name as a value, because bundlers fail on a
 * literal that they can't resolve.
 */
export async function optionalPackage<Module>(name: "selfsigned" | "yaml"): Promise<Module | undefined> {
  try {
    return (await import(/* @vite-ignore */ name)) as Module;
  } catch (error) {
    if (/MODULE_NOT_FOUND$/.test(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  }
}
