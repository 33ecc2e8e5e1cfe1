import type { SupernodeAddress } from "../contract.ts";

/** Reads `host[:8002][=weight]`; `undefined` where malformed. */
export function parseSupernode(text: string): SupernodeAddress | undefined {
  const match = /^([^\s:=]+)(?::(\d{1,5}))?(?:=(\d{1,6}))?$/.exec(text.trim());
  if (!match) return undefined;
  return {
    host: match[1]!,
    port: Number(match[2] ?? 8002),
    weight: Number(match[3] ?? 1),
  };
}
