/** Bytes in V8's heap, where arrays up to 64 bytes lie until somebody asks for their `buffer`. */
export class SmallArray extends Uint8Array {
  /** Whether somebody did: a copy of the bytes then stays in the heap, and nobody can wipe it. */
  moved = false;

  override get buffer(): ArrayBuffer {
    this.moved = true;
    return super.buffer;
  }
}

/** 32 bytes in V8's heap. */
export function smallArray(content: number | Uint8Array): SmallArray {
  const bytes = new SmallArray(32);
  for (let index = 0; index < 32; index += 1) bytes[index] = typeof content === "number" ? content : content[index]!;
  return bytes;
}
