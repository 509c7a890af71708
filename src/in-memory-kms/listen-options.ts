import { InvalidInputError } from "../errors.js";
import { knownOptions } from "../util/check-input.js";
import type { KmsCertificate } from "./self-signed.js";

export interface KmsListenOptions {
  /** Default 0: a free one. */
  port?: number;
  /** Address or name to listen on. Default `127.0.0.1`. */
  host?: string;
  /**
   * Certificate and key, as PEM, for HTTPS; `true` for a self-made certificate, which needs the package `selfsigned`. Default:
   * HTTP.
   */
  tls?: boolean | KmsCertificate;
  /** Origins whose web pages may call KMS, or `"*"`. Default: none. */
  cors?: string | readonly string[];
  /** Whether `/_kms/…` lets callers inject faults, move the clock and take snapshots. Default: on loopback only. */
  control?: boolean;
  /** Host names by which the control may be called, besides addresses and `localhost`. */
  controlHosts?: readonly string[];
}

export interface CheckedListenOptions {
  readonly port: number;
  readonly host: string;
  readonly tls: boolean | KmsCertificate;
  readonly cors: readonly string[];
  readonly control: boolean | undefined;
  readonly controlHosts: readonly string[];
}

export function checkedListenOptions(given: KmsListenOptions): CheckedListenOptions {
  const {
    port = 0,
    host = "127.0.0.1",
    tls = false,
    cors = [],
    control,
    controlHosts = [],
  } = knownOptions(given, { port: true, host: true, tls: true, cors: true, control: true, controlHosts: true });
  if (typeof tls !== "boolean") {
    const { cert, key } = knownOptions(tls, { cert: true, key: true }, "tls");
    if (typeof cert !== "string" || typeof key !== "string")
      throw new InvalidInputError("tls", "must have cert and key, as PEM");
  }
  return {
    port,
    host,
    tls,
    cors: [cors].flat(),
    control,
    controlHosts: controlHosts.map((name) => name.toLowerCase()),
  };
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}
