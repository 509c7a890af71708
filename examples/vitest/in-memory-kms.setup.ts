/*
 * One in-memory KMS for the whole run, in Vitest's own process, over HTTP. Test files run in workers: they are told its URL, and control
 * it from there.
 */
import { InMemoryKms } from "recording-keystore/kms-testing";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    kmsUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const endpoint = await new InMemoryKms().listen();
  project.provide("kmsUrl", endpoint.url);
  return () => endpoint.close();
}
