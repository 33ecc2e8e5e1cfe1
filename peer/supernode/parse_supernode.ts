import type { SupernodeAddress } from "../contract.ts";

/** Reads `host[:8002][=weight]`; `undefined` where malformed. */
export function parseSupernode(text: string): SupernodeAddress | undefined {
  const match = /^([^\s:=]+)(?::(\d{1,5}))?(?:=(\d{1,6}))?$/.exec(text.trim());
  const port = Number(match?.[2] ?? 8002);
  if (!match || port < 1 || port > 65_535) return undefined;
  return {
    host: match[1]!,
    port,
    weight: Number(match[3] ?? 1),
  };
}
