/**
 * The task's URL: `url` without the query parameters named in `filter`, so that URLs that differ
 * only in a signature share one task (v1's `--filter 'key&sign'`, protocol §1). The rest of the URL
 * is left byte for byte as it was.
 */
export function filterUrl(url: string, filter: readonly string[]): string {
  const mark = url.indexOf("?");
  if (mark < 0 || filter.length === 0) return url;
  const kept = url
    .slice(mark + 1)
    .split("&")
    .filter((pair) => !filter.includes(pair.split("=", 1)[0]!));
  return kept.length > 0 ? `${url.slice(0, mark)}?${kept.join("&")}` : url.slice(0, mark);
}

/** The parameter names in a `--filter` value: `"a&b"` → `["a", "b"]`. */
export function parseFilter(text: string): string[] {
  return text.split("&").filter((name) => name !== "");
}
