/** The manifest's URL of an image as people write it, or why there is none. */
export type ManifestUrl = { url: string } | { problem: string };

const DOCKER_HUB = "registry-1.docker.io";

/**
 * Reads `team/app:1.2`, `registry.example:5000/team/app@sha256:…`, the same with `http://` or `https://`
 * before it, or a manifest's URL. Without a registry it is Docker Hub, without a tag `latest`.
 */
export function manifestUrl(text: string): ManifestUrl {
  const given = text.trim();
  if (given === "") return { problem: "Name an image, such as registry.example/team/app:1.2." };
  const [, scheme = "https://", rest = ""] = /^(https?:\/\/|docker:\/\/)?(.*)$/i.exec(given) ?? [];
  const protocol = scheme.toLowerCase() === "http://" ? "http" : "https";
  if (/\/v2\/.+\/manifests\/[^/]+$/.test(rest)) return { url: `${protocol}://${rest}` };
  if (/[\s?#@]/.test(rest.replace(/@sha256:[0-9a-f]{64}$/i, "")))
    return { problem: `“${given}” is no image's name: try registry.example/team/app:1.2.` };
  const [first = "", ...others] = rest.split("/");
  const named = others.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const isHub = !named || /^(index\.)?docker\.io$/i.test(first);
  const host = isHub ? DOCKER_HUB : first;
  const path = named ? others.join("/") : rest;
  const match = /^([a-z0-9._/-]+?)(?::([\w.-]{1,128}))?(?:@(sha256:[0-9a-f]{64}))?$/i.exec(path);
  if (!match || path.endsWith("/"))
    return { problem: `“${given}” is no image's name: try registry.example/team/app:1.2.` };
  const [, name = "", tag = "latest", digest] = match;
  const repository = isHub && !name.includes("/") ? `library/${name}` : name;
  return { url: `${protocol}://${host}/v2/${repository}/manifests/${digest ?? tag}` };
}

/** The value of an `Authorization` header for a user and password; `undefined` where there is no user. */
export function basicAuthorization(user: string, password: string): string | undefined {
  if (user === "") return undefined;
  const utf8 = new TextEncoder().encode(`${user}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...utf8))}`;
}
