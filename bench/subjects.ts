import type { Subject } from "./shared/subject.js";

/** Every subject of the bench, in the order of the page: a name for the command line, and where it is. */
export const subjects: Readonly<Record<string, () => Promise<Subject>>> = {
  streamed: async () => (await import("./streamed.js")).streamed,
  bytes: async () => (await import("./bytes.js")).bytes,
  files: async () => (await import("./files.js")).files,
  segments: async () => (await import("./segments.js")).segments,
  threads: async () => (await import("./threads.js")).threads,
  small: async () => (await import("./small-recordings.js")).smallRecordings,
  memory: async () => (await import("./memory.js")).memory,
  eventloop: async () => (await import("./event-loop.js")).eventLoop,
  organizations: async () => (await import("./organizations.js")).organizations,
  fleet: async () => (await import("./fleet.js")).fleet,
  store: async () => (await import("./store-operations.js")).storeOperations,
  history: async () => (await import("./history.js")).history,
  random: async () => (await import("./random-access.js")).randomAccess,
  live: async () => (await import("./live-recordings.js")).liveRecordings,
  inmemory: async () => (await import("./in-memory-kms.js")).inMemoryKms,
  peers: async () => (await import("./peers.js")).peers,
};
