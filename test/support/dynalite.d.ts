declare module "dynalite" {
  import type { Server } from "node:http";

  /** @param options - `createTableMs`: how long a table takes to become active, in ms */
  export default function dynalite(options?: { createTableMs?: number }): Server;
}
