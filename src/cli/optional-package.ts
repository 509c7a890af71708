import { UsageError } from "./io.js";

/** Loads what the user installs only if it is needed. @throws UsageError that says how to install it */
export async function optionalPackage<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException | undefined)?.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UsageError(`this needs the package ${name}: npm install ${name}`);
  }
}
