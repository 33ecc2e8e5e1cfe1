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

/**
 * Whether `taskUrl` is `url` with nothing but query parameters taken away, all of a name or none: only
 * then does an answer of the source about `url` say something about the task.
 */
export function isFilteredFrom(taskUrl: string, url: string): boolean {
  if (taskUrl === url) return true;
  const [base, query = ""] = cutAt(url, "?");
  const [taskBase, taskQuery = ""] = cutAt(taskUrl, "?");
  if (base !== taskBase) return false;
  const nameOf = (pair: string) => pair.split("=", 1)[0]!;
  const kept = taskQuery === "" ? [] : taskQuery.split("&");
  const names = new Set(kept.map(nameOf));
  const left = query.split("&").filter((pair) => names.has(nameOf(pair)));
  return left.join("&") === kept.join("&");
}

function cutAt(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** The parameter names in a `--filter` value: `"a&b"` → `["a", "b"]`. */
export function parseFilter(text: string): string[] {
  return text.split("&").filter((name) => name !== "");
}
