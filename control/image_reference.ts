import { UsageError } from "../runtime/command_line.ts";

/** An image as people name it, and where its registry has it. */
export interface ImageReference {
  /** Host and port as in the name; `docker.io` for names without one. */
  host: string;
  repository: string;
  /** A tag or a digest. */
  reference: string;
}

/** Docker Hub's registry answers at another name than its images have. */
const HUB = { name: "docker.io", registry: "registry-1.docker.io" };

/**
 * Reads `[host[:port]/]repository[:tag][@digest]` as container engines do: the first part is a host where
 * it has a dot or a port, or is `localhost`.
 *
 * @throws {UsageError}
 */
export function parseImage(name: string): ImageReference {
  const [, path = "", tag, digest] =
    /^([^@]+?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(name) ?? [];
  const slash = path.indexOf("/");
  const first = path.slice(0, Math.max(0, slash));
  const hasHost = slash > 0 && (/[.:]/.test(first) || first === "localhost");
  const host = hasHost ? first : HUB.name;
  const rest = hasHost ? path.slice(slash + 1) : path;
  const repository = host === HUB.name && !rest.includes("/") ? `library/${rest}` : rest;
  if (!/^[a-z0-9]+([._/-]+[a-z0-9]+)*$/.test(repository) || !URL.canParse(`https://${host}`))
    throw new UsageError(
      `"${name}" is no image: expected [host/]repository[:tag], such as registry.example.net/team/app:1.2`,
    );
  return { host, repository, reference: digest ?? tag ?? "latest" };
}

/** The URL of an image's manifest at its registry. */
export function manifestUrl(image: ImageReference, scheme: "https" | "http" = "https"): string {
  const host = image.host === HUB.name ? HUB.registry : image.host;
  return `${scheme}://${host}/v2/${image.repository}/manifests/${image.reference}`;
}
