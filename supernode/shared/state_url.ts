import * as z from "zod";

/** Stands for a password where people see the URL; it is none, so that what was printed is not taken for it. */
const HIDDEN = "…";

/** `state` of supernode.yml: where a Redis is, and nothing beside that would be passed over; or empty. */
export const stateUrlSchema = z.string().refine((text) => text === "" || isRedisUrl(text), {
  error: "expected redis://[user:password@]host[:port][/database], or rediss://…",
});

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, search, hash, password } = new URL(text);
  const isPlain = /^\/?\d*$/.test(pathname) && search === "" && hash === "";
  const isKnown = password !== encodeURIComponent(HIDDEN);
  return /^rediss?:$/.test(protocol) && hostname !== "" && isPlain && isKnown;
}

/** The URL as people may see it. */
export function withoutPassword(url: string): string {
  if (url === "") return "";
  const parsed = new URL(url);
  if (parsed.password) parsed.password = HIDDEN;
  return decodeURI(parsed.href);
}
