/* What the parent and its processes agree on. */
export const homeRegion = "us-east-1";
export const accountId = "000000000000";
export const playerAccessKeyId = "AKIAPLAYER";
export const playerArn = "arn:aws:iam::444455556666:role/player";

/** Limits on real time that no busy machine reaches. */
export const patient = {
  provider: { attemptTimeout: 600_000, deadline: 600_000, keyPairDeadline: 600_000 },
  keyStore: { kmsTimeout: 600_000, storeTimeout: 600_000, confirmTimeout: 60_000 },
} as const;

/** What a process is told to do. */
export type Command =
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "open" | "play" | "forget" | "race" | "withdrawn"; readonly organizationId: string };
