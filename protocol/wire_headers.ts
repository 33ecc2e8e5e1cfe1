/**
 * What a client may not say to the source by way of the supernode: `Host` would ask another site about
 * the URL, the others belong to a connection (RFC 9110 §7.6.1), which the supernode shares between clients.
 */
const NOT_THE_CLIENTS =
  /^(host|connection|content-length|expect|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i;

/**
 * Request headers as registration carries them, `"Name:value"` each, to a map (protocol §1): split
 * at the first `:`, both sides trimmed, empty values dropped, repeats joined with `,`. Names keep
 * their case, for the task id looks at it. Headers that are not the client's to set are left out.
 */
export function headersFromWire(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const name = line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    if (!name || !value || NOT_THE_CLIENTS.test(name)) continue;
    headers[name] = name in headers ? `${headers[name]},${value}` : value;
  }
  return headers;
}

/** The other way: a map of headers to `"Name:value"` lines. */
export function headersToWire(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers).map(([name, value]) => `${name}:${value}`);
}
