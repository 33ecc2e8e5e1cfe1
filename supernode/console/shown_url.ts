import { blobDigest, formatDigest } from "../../protocol/digest.ts";

/** A URL for the console: without user, password, query and fragment, whatever they hold. */
export function shownUrl(url: string): string {
  if (!URL.canParse(url)) return "(not a URL)";
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${decodeLeniently(pathname)}`;
}

/** How people call what a URL leads to. */
export function fileName(url: string): { name: string; host: string; digest: string } {
  if (!URL.canParse(url)) return { name: "(not a URL)", host: "", digest: "" };
  const { host, pathname } = new URL(url);
  const path = decodeLeniently(pathname);
  const digest = blobDigest(url);
  const repository = /^\/v2\/(.+)\/blobs\/[^/]+$/.exec(path)?.[1];
  return {
    name: repository ?? (path.split("/").findLast(Boolean) || host),
    host,
    digest: digest ? formatDigest(digest).slice(0, "sha256:".length + 12) : "",
  };
}

/** `registry.example/team/app:1.2` for an image's manifest, else the URL. */
export function imageName(url: string): string {
  const shown = shownUrl(url);
  const match = /^https?:\/\/([^/]+)\/v2\/(.+)\/manifests\/([^/]+)$/.exec(shown);
  if (!match) return shown;
  const [, host, repository, reference] = match;
  return `${host}/${repository}${reference!.includes(":") ? "@" : ":"}${reference}`;
}

function decodeLeniently(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}
