/**
 * Puts bytes at a place of a buffer, unless they lie there already: who reads right to where bytes belong spares a
 * copy. Hot path.
 */
export function putBytes(bytes: Uint8Array, target: Uint8Array, at: number): void {
  const isThere = bytes.buffer === target.buffer && bytes.byteOffset === target.byteOffset + at;
  if (!isThere) target.set(bytes, at);
}
