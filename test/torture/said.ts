/** What the processes do in the middle of which they are killed. */
export type Deed = "configure" | "rotate" | "rewrap";

/** A line of a process: what it begins, and what was acknowledged to it. */
export type Said =
  | { readonly begin: Deed }
  | { readonly end: Deed; readonly ms: number }
  | { readonly pair: string }
  | { readonly recording: string; readonly under: string }
  /** Every pair opens under the KMS key to which the alias points. */
  | { readonly rewrapped: true };
