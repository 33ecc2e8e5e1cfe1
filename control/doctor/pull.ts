import { createHash } from "node:crypto";
import * as z from "zod";
import { parseDigest } from "../../protocol/digest.ts";
import { type HttpRequestInit, readBody } from "../../runtime/http_client.ts";
import { showBytes } from "../amounts.ts";
import { manifestUrl, parseImage } from "../image_reference.ts";
import type { Check, Finding, NodeUnderTest } from "./check.ts";
import { page } from "./page.ts";
import { trustOf } from "./registry.ts";
import { CredentialsWanted, RegistrySession } from "./registry_session.ts";

const NAME = "pull";
/** Milliseconds for one answer. */
const ANSWER_MS = 10_000;
/** Milliseconds for dfdaemon's metrics: without them the pull is looked at all the same. */
const METRICS_MS = 3000;
/** Bytes of an image's configuration at most. */
const MOST_BYTES = 8 * 1024 * 1024;

const ACCEPT = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

const manifestSchema = z.object({
  config: z.object({ digest: z.string().refine((text) => parseDigest(text)) }).optional(),
  manifests: z.array(z.object({ digest: z.string() })).optional(),
});
const catalogSchema = z.object({ repositories: z.array(z.string()).nullable() });
const tagsSchema = z.object({ tags: z.array(z.string()).nullable() });

/** Asked for something that the registry does not give without more. */
class RegistrySilent extends Error {
  readonly todo: string;

  constructor(message: string, todo = "name an image that can be pulled: --image") {
    super(message);
    this.todo = todo;
  }
}

const LOG_IN =
  "log in as the user that runs dfctl (docker login, podman login), or name an image by --image and credentials by --authfile; those in a credential helper cannot be read";

/** Pulls a small blob through dfdaemon, and straight from the registry, and compares the two. */
export const pull: Check = {
  name: NAME,
  patienceMs: 20_000,
  async run(node) {
    const session = new RegistrySession(node);
    let blob: string;
    try {
      blob = await smallBlob(node, session);
    } catch (error) {
      if (!(error instanceof RegistrySilent)) throw error;
      const { message, todo } = error;
      return [{ name: NAME, state: "warn", says: `nothing to try: ${message}`, todo }];
    }
    return [await compare(node, session, blob)];
  },
};

async function compare(
  node: NodeUnderTest,
  { headers }: RegistrySession,
  blob: string,
): Promise<Finding> {
  const { pathname, host } = new URL(blob);
  const before = await counted(node);
  let through: Uint8Array;
  try {
    through = await get(node, `${node.dfdaemon}${pathname}?ns=${host}`, {
      ...{ headers, tls: { insecure: true } },
    });
  } catch (error) {
    return {
      ...{ name: NAME, state: "fail", says: `through dfdaemon: ${(error as Error).message}` },
      todo:
        node.answer === "nobody listens"
          ? "systemctl start dragonfly-dfdaemon"
          : "look into dfdaemon's log (journalctl -u dragonfly-dfdaemon)",
    };
  }
  const straight = await get(node, blob, { headers, tls: trustOf(node, blob) });
  if (!isWhatItSays(pathname, straight))
    return {
      ...{
        name: NAME,
        state: "fail",
        says: `${blob}: the registry's copy is not what its digest says`,
      },
      todo: "push that image again",
    };
  if (!isWhatItSays(pathname, through))
    return {
      ...{
        name: NAME,
        state: "fail",
        says: `${blob}: dfdaemon gives other bytes than the registry`,
      },
      todo: "stop dfdaemon on this node, keep its cache directory, and report this",
    };
  const now = await counted(node);
  const grown = (counters: "fallbacks" | "bytes") =>
    [...now[counters]].find(([of, count]) => count > (before[counters].get(of) ?? 0))?.[0];
  const reason = grown("fallbacks");
  if (reason !== undefined)
    return {
      ...{ name: NAME, state: "warn" },
      says: `right, but it came straight from the registry (${reason})`,
      todo: `what each reason means: ${page("monitoring.md")}`,
    };
  const size = showBytes(through.byteLength);
  // What a node has it gives without a supernode, too.
  const how = grown("bytes") === "cache" ? "out of this node's cache" : "by p2p";
  return { name: NAME, state: "ok", says: `${size} came ${how}, the same as from the registry` };
}

/** Whether a blob has the digest by which its URL ends. */
function isWhatItSays(pathname: string, bytes: Uint8Array): boolean {
  return pathname.endsWith(createHash("sha256").update(bytes).digest("hex"));
}

/** The URL of an image's configuration: a blob of a few kB that each image has. */
async function smallBlob(node: NodeUnderTest, session: RegistrySession): Promise<string> {
  let url = node.image ? namedManifest(node, node.image) : await someManifest(node, session);
  for (let depth = 0; depth < 3; depth++) {
    const { config, manifests } = await ask(session, url, manifestSchema);
    const repository = url.replace(/\/manifests\/[^/]+$/, "");
    if (config) return `${repository}/blobs/${config.digest}`;
    if (!manifests?.[0]) break;
    url = `${repository}/manifests/${manifests[0].digest}`;
  }
  throw new RegistrySilent(`${url} is a manifest of a kind that is not known here`);
}

function namedManifest({ config }: NodeUnderTest, name: string): string {
  const image = parseImage(name);
  const mirrored = new URL(config.registry_mirror.remote);
  const isPlain = mirrored.protocol === "http:" && mirrored.host === image.host;
  return manifestUrl(image, isPlain ? "http" : "https");
}

/** Some image that the registry lists. */
async function someManifest(node: NodeUnderTest, session: RegistrySession): Promise<string> {
  const remote = node.config.registry_mirror.remote.replace(/\/$/, "");
  const { repositories } = await ask(session, `${remote}/v2/_catalog?n=20`, catalogSchema);
  for (const name of (repositories ?? []).slice(0, 3)) {
    const { tags } = await ask(session, `${remote}/v2/${name}/tags/list`, tagsSchema);
    if (tags?.[0]) return `${remote}/v2/${name}/manifests/${tags[0]}`;
  }
  throw new RegistrySilent("the registry lists no image");
}

async function ask<Schema extends z.ZodType>(
  session: RegistrySession,
  url: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const answer = await session.text(url, ACCEPT).catch((error: Error) => {
    if (error instanceof CredentialsWanted) throw new RegistrySilent(error.message, LOG_IN);
    throw new RegistrySilent(error.message);
  });
  if (answer.status !== 200)
    throw new RegistrySilent(`${new URL(url).pathname} answers ${answer.status}`);
  try {
    return schema.parse(JSON.parse(answer.text));
  } catch {
    throw new RegistrySilent(`${new URL(url).pathname} answers with something else`);
  }
}

async function get(node: NodeUnderTest, url: string, init: HttpRequestInit): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const asked = { maxRedirects: 5, signal, ...init };
  const answer = await node.http.request(url, asked);
  const body = await readBody(answer, MOST_BYTES);
  if (answer.status === 200) return body;
  throw new Error(`${new URL(url).pathname} answers ${answer.status}`);
}

/** What dfdaemon has counted so far. */
interface Counted {
  /** How often it has gone straight to a registry, by reason. */
  fallbacks: Map<string, number>;
  /** Bytes of blobs, by where they came from. */
  bytes: Map<string, number>;
}

async function counted({ http, dfdaemon }: NodeUnderTest): Promise<Counted> {
  const { text } = await http
    .text(`${dfdaemon}/metrics`, {
      tls: { insecure: true },
      signal: AbortSignal.timeout(METRICS_MS),
    })
    .catch(() => ({ text: "" }));
  const by = (lines: RegExp) =>
    new Map([...text.matchAll(lines)].map(([, of, count]) => [of!, Number(count)]));
  return {
    fallbacks: by(/^dragonfly_dfdaemon_fallbacks_total\{.*?reason="([^"]+)".*?\} (\d+)/gm),
    bytes: by(/^dragonfly_dfdaemon_bytes_total\{.*?origin="([^"]+)".*?\} (\d+)/gm),
  };
}
