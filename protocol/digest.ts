/** A content digest in OCI form, `sha256:<64 hex>`. */
export interface Digest {
  algorithm: "sha256";
  hex: string;
}

/** Reads `sha256:<64 hex digits>`; `undefined` for anything else. */
export function parseDigest(text: string): Digest | undefined {
  const match = /^sha256:([0-9a-f]{64})$/i.exec(text);
  return match ? { algorithm: "sha256", hex: match[1]!.toLowerCase() } : undefined;
}

/** `sha256:<hex>`. */
export function formatDigest(digest: Digest): string {
  return `${digest.algorithm}:${digest.hex}`;
}

/** The digest that a registry's blob URL promises (`…/blobs/sha256:…`), if it is one. */
export function blobDigest(url: string): Digest | undefined {
  const path = url.split(/[?#]/, 1)[0]!;
  const match = /\/blobs\/(sha256:[0-9a-f]{64})$/i.exec(path);
  return match ? parseDigest(match[1]!) : undefined;
}
