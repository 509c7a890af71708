import { isIP } from "node:net";
import { InvalidInputError } from "../errors.js";
import type { Clock } from "../clock.js";
import { knownOptions } from "../util/check-input.js";
import type { FaultKind } from "./fault-kinds.js";
import type { FaultOptions } from "./fault-options.js";
import type { Fault, KmsFaults } from "./faults.js";
import type { KmsCallFilter, KmsJournal } from "./journal.js";
import type { KeyStoreConnectionOptions, KmsKeyStores } from "./key-stores.js";
import { isMovable, type Movable } from "./movable-clock.js";
import type { KmsSnapshot } from "./snapshot.js";

/** Where the control is, and the header that a page of another origin can't send unasked. */
export const controlPath = "/_kms/";
export const controlHeader = "x-kms-control";

export interface ControlRequest {
  readonly method: string;
  /** Behind `/_kms/`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

export interface ControlAnswer {
  readonly status: number;
  readonly body: object;
}

/** What the control moves. */
export interface ControlParts {
  readonly kms: {
    readonly faults: KmsFaults;
    readonly journal: KmsJournal;
    reset(): void;
    snapshot(): KmsSnapshot;
    restore(snapshot: KmsSnapshot): void;
    readonly keyStores: KmsKeyStores;
  };
  readonly clock: Clock;
  /** Resolves once what has changed is where it is kept. */
  readonly kept: () => Promise<void> | undefined;
}

const refused = (status: number, error: string): ControlAnswer => ({ status, body: { error } });

/** Answers what is asked of an in-memory KMS besides AWS's operations. Whoever may ask: {@link refuseForeign}. */
export async function answerControl(parts: ControlParts, request: ControlRequest): Promise<ControlAnswer> {
  const { method, path } = request;
  const [resource = "", id] = path.split("/");
  const routes = Object.hasOwn(resources, resource) ? resources[resource] : undefined;
  if (!routes || (id !== undefined && resource !== "faults")) return refused(404, `There is no ${controlPath}${path}`);
  const route = routes[method];
  if (!route) return refused(405, `${controlPath}${resource} takes ${Object.keys(routes).join(", ")}`);
  try {
    const body = route(parts, { ...request, id });
    if (method !== "GET") await parts.kept();
    return { status: 200, body: body ?? {} };
  } catch (error) {
    // What the test has got wrong. A text that could not be read is not quoted: keys may be in it.
    if (error instanceof InvalidInputError || error instanceof TypeError || error instanceof RangeError)
      return refused(400, error.message);
    throw error;
  }
}

/**
 * Refuses what a web page may have sent: with an `Origin` or `Sec-Fetch-Site`, without the control's own header, or to a host name
 * that is not this server's (a page whose name was made to lead here).
 */
export function refuseForeign({ headers }: ControlRequest, hosts: readonly string[]): ControlAnswer | undefined {
  if (headers["origin"] !== undefined || headers["sec-fetch-site"] !== undefined)
    return refused(403, "The control is not for web pages");
  const name = hostName(headers["host"]);
  if (!isIP(name) && ![...hosts, "localhost"].includes(name))
    return refused(
      403,
      "The control is called by address, by localhost, or by a name of controlHosts (--control-host)",
    );
  return headers[controlHeader] === undefined
    ? refused(403, `The control needs the header ${controlHeader}`)
    : undefined;
}

/** Name or address in a `Host` header, without port and brackets. */
function hostName(host: string | readonly string[] | undefined): string {
  return typeof host === "string"
    ? host
        .toLowerCase()
        .replace(/:\d+$/, "")
        .replace(/^\[(.*)\]$/, "$1")
    : "";
}

type Route = (parts: ControlParts, request: ControlRequest & { id: string | undefined }) => object | undefined;

const resources: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  faults: {
    GET: ({ kms }) => ({ faults: kms.faults.active().map(shown) }),
    POST: ({ kms }, request) => {
      const { kind, ...options } = json(request) as { kind: FaultKind } & FaultOptions;
      return shown(kms.faults.inject(kind, options));
    },
    DELETE: ({ kms }, { id }) => {
      if (id === undefined) {
        kms.faults.heal();
        return undefined;
      }
      const fault = kms.faults.active().find((active) => active.id === id);
      fault?.remove();
      return { removed: fault !== undefined };
    },
  },
  clock: {
    GET: (parts) => timeOf(parts),
    POST: (parts, request) => {
      const { advance, set } = knownOptions(json(request) as { advance?: unknown; set?: unknown }, {
        advance: true,
        set: true,
      });
      if ((advance === undefined) === (set === undefined))
        throw new InvalidInputError(
          "body",
          "must have one of advance (ms) and set (ms since the Unix epoch, or a date)",
        );
      const clock = movable(parts.clock);
      if (set === undefined) clock.advance(milliseconds(advance, "advance"));
      else clock.set(typeof set === "string" ? Date.parse(set) : milliseconds(set, "set"));
      return timeOf(parts);
    },
  },
  reset: { POST: ({ kms }) => done(() => kms.reset()) },
  journal: {
    GET: ({ kms }, { query }) => {
      const filter = knownOptions(Object.fromEntries(query), journalFields);
      return { calls: kms.journal.calls(filter) };
    },
    DELETE: ({ kms }) => done(() => kms.journal.clear()),
  },
  "key-stores": {
    POST: ({ kms }, request) => {
      const { id, ...options } = json(request) as { id: string } & KeyStoreConnectionOptions;
      return done(() => kms.keyStores.setConnection(id, options));
    },
  },
  snapshot: {
    GET: ({ kms }) => kms.snapshot(),
    PUT: ({ kms }, request) => done(() => kms.restore(json(request) as KmsSnapshot)),
  },
};

const journalFields = {
  operation: true,
  region: true,
  accessKeyId: true,
  principal: true,
  keyId: true,
  keyArn: true,
  outcome: true,
  fault: true,
} as const satisfies Record<keyof KmsCallFilter, true>;

function done(act: () => void): undefined {
  act();
}

const shown = ({ id, kind, options, hits }: Fault) => ({ id, kind, options, hits });

function timeOf({ clock }: ControlParts): { now: number; date: string } {
  const now = clock.now();
  return { now, date: new Date(now).toISOString() };
}

function movable(clock: Clock): Movable {
  if (isMovable(clock)) return clock;
  throw new InvalidInputError("clock", "must be one that can be moved, such as a TestClock");
}

function milliseconds(value: unknown, field: string): number {
  if (typeof value !== "number") throw new InvalidInputError(field, "must be a number of milliseconds");
  return value;
}

function json({ body }: ControlRequest): unknown {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new InvalidInputError("body", "must be JSON");
  }
  if (typeof value !== "object" || value === null) throw new InvalidInputError("body", "must be an object");
  return value;
}
