/** What any client sends, whoever it is. */
const HARMLESS = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "connection",
  // Podman, CRI-O and skopeo send it with every request: the version of the protocol.
  "docker-distribution-api-version",
  "pragma",
  "range",
  "te",
  "traceparent",
  "user-agent",
]);

/**
 * Whether a request says nothing of who asks: no credentials in its headers or in its URL, whose query may be
 * a signature. What a source gives to such a request it gives to everybody. Headers that are not known
 * to be harmless count as credentials.
 */
export function isAnonymous(url: string, headers: Readonly<Record<string, string>>): boolean {
  const { username, password, search } = new URL(url);
  if (username || password || search) return false;
  return Object.keys(headers).every((name) => HARMLESS.has(name.toLowerCase()));
}
