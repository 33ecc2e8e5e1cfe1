/**
 * A URL as it may stand in a log or an error text: user name, password and the values of query
 * parameters (signatures, tokens) are hidden.
 */
export function redactUrl(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.username = "";
    parsed.password = "";
    for (const name of new Set(parsed.searchParams.keys())) parsed.searchParams.set(name, "…");
    return decodeURI(parsed.href);
  } catch {
    return "(not a URL)";
  }
}
