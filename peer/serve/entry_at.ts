import type { Catalog, CatalogEntry } from "../store/catalog.ts";

/**
 * The file that a name on the peer server stands for, to one who has the pass to it: `<task file name>/<pass>`. Files of
 * v1's programs have no key, and are there for all who know their names, as in v1.
 *
 * @param search the request's query: v1 names files after URLs, query included
 * @param nowMs see `OwnPath`
 */
export function entryAt(
  catalog: Catalog,
  name: string,
  search: string,
  nowMs: number,
): CatalogEntry | undefined {
  const plain = catalog.get(name) ?? catalog.get(name + search);
  if (plain) return plain.ownPath && !plain.ownPath.isOpen ? undefined : plain;
  const cut = name.lastIndexOf("/");
  const entry = cut < 0 ? undefined : catalog.get(name.slice(0, cut));
  return entry?.ownPath?.accepts(name.slice(cut + 1), nowMs) ? entry : undefined;
}
