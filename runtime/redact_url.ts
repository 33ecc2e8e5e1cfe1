/** What a terminal or a log would take for an order, or for another line. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/**
 * A URL as it may stand in a log or an error text: user name, password and the values of query
 * parameters (signatures, tokens) are hidden.
 */
export function redactUrl(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.username = "";
    parsed.password = "";
    parsed.search = withoutValues(parsed.search);
    return decodeURI(parsed.href).replace(CONTROLS, encodeURIComponent);
  } catch {
    return "(not a URL)";
  }
}

/** What stands alone in a query may be a token as well as a name. */
function withoutValues(search: string): string {
  const pairs = search.replace(/^\?/, "").split("&").filter(Boolean);
  const shown = pairs.map((pair) => (pair.includes("=") ? `${pair.split("=", 1)[0]}=…` : "…"));
  return [...new Set(shown)].join("&");
}
