import { readFile } from "node:fs/promises";
import type * as Yaml from "yaml";
import { InvalidInputError } from "../errors.js";
import { optionalPackage } from "./optional-package.js";
import type { KmsSeed } from "./seed.js";

/**
 * Reads a seed from a file: JSON, or YAML where its name ends in `.yaml` or `.yml`, for which the package `yaml` has to be installed.
 * `new InMemoryKms({ seed })` checks what is in it.
 * @throws InvalidInputError for a file that is neither, or where `yaml` is missing; the file system's error for one that can't be read
 */
export async function readKmsSeed(path: string): Promise<KmsSeed> {
  const text = await readFile(path, "utf8");
  const parse = /\.ya?ml$/i.test(path) ? await yamlParser() : (JSON.parse as (text: string) => unknown);
  let seed: unknown;
  try {
    seed = parse(text);
  } catch {
    // A parser's message quotes the text, in which keys are.
    throw new InvalidInputError("seed", `must be ${parse === JSON.parse ? "JSON" : "YAML"}`);
  }
  if (typeof seed !== "object" || seed === null || Array.isArray(seed))
    throw new InvalidInputError("seed", "must be an object");
  return seed;
}

async function yamlParser(): Promise<(text: string) => unknown> {
  const loaded = await optionalPackage<typeof Yaml>("yaml");
  if (!loaded) throw new InvalidInputError("seed", "is YAML, which needs the package yaml: npm install yaml");
  return loaded.parse;
}
