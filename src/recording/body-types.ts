import type { ReadableStream as NodeReadableStream } from "node:stream/web";

/** Bytes as the library gives them, which are never shared memory: what `new Response()` and `new Blob()` take. */
export type BodyBytes = Uint8Array & { readonly buffer: ArrayBuffer };

/** A web stream as the library gives it: Node's, and the DOM's where `lib: dom` is on. */
export type BodyStream = NodeReadableStream<Uint8Array> & ReadableStream<Uint8Array>;
