import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort, freshAddress, type Place } from "./addresses.ts";
import { Authority } from "./authority.ts";
import type { Image, Layer } from "./image.ts";
import { basicAuth, startNginx } from "./nginx.ts";
import { accepts, RunningProgram, runWell, until } from "./process.ts";
import type { Scratch } from "./scratch.ts";
import { TokenServer } from "./token_server.ts";

/** The name the registry is known by; no resolver knows it, so only our proxies find it. */
export const REGISTRY_NAME = "docker-registry.discovery.wmnet";

/** User and password of a registry with authentication, and the bcrypt line that grants them. */
export const ACCOUNT = {
  user: "planted-user",
  password: "planted-password-4711",
  htpasswd: "planted-user:$2y$05$hHvYJxNB64HsskVpUPzxkeJeDFMVde90njHvvpe3x5zX3N9GPyzvW",
} as const;

export interface RegistryOptions {
  /** Admit {@link ACCOUNT} only: the registry itself does, or an nginx in front of it. */
  authenticated?: boolean | "by nginx";
  /** Admit bearers of tokens of this server only; {@link ACCOUNT} gets them. */
  tokens?: TokenServer;
  /** Where it runs; default: a loopback address of its own. */
  place?: Place;
}

/** One answer that the registry has given. */
export interface Served {
  method: string;
  uri: string;
  status: number;
  /** Bytes of the body that went out, also where the client hung up early. */
  bytes: number;
}

/** A docker-registry process with TLS, and its log. */
export class Registry {
  readonly address: string;
  readonly port: number;
  /** `docker-registry.discovery.wmnet:port`, as images name it. */
  readonly host: string;
  /** Signs the registry's certificate; our programs must trust it, container clients need not. */
  readonly authority: Authority;
  /** Where its blobs lie. */
  readonly storage: string;
  readonly #scratch: Scratch;
  readonly #start: () => Promise<RunningProgram>;
  readonly #authenticated: boolean;
  #process: RunningProgram;
  /** What earlier processes of it wrote. */
  #written = "";

  private constructor(
    scratch: Scratch,
    process: RunningProgram,
    start: () => Promise<RunningProgram>,
    place: { address: string; port: number; storage: string },
    authority: Authority,
    authenticated: boolean,
  ) {
    this.#scratch = scratch;
    this.#process = process;
    this.#start = start;
    this.address = place.address;
    this.port = place.port;
    this.host = `${REGISTRY_NAME}:${place.port}`;
    this.storage = place.storage;
    this.authority = authority;
    this.#authenticated = authenticated;
  }

  static async start(scratch: Scratch, options: RegistryOptions = {}): Promise<Registry> {
    const address = options.place?.address ?? freshAddress();
    // A host of its own has all its ports free.
    const port = options.place ? 5000 : await freePort(address);
    const name = `registry-${port}`;
    const directory = await scratch.directory(name);
    const authority = await Authority.create(scratch, `${name}-authority`);
    const certificate = await authority.leaf(REGISTRY_NAME, address);
    const config = join(directory, "config.yml");
    const storage = join(directory, "storage");
    const htpasswd = join(directory, "htpasswd");
    await writeFile(htpasswd, `${ACCOUNT.htpasswd}\n`);
    const isBehind = options.authenticated === "by nginx";
    const listens = isBehind ? await freePort(address) : port;
    await writeFile(
      config,
      stringify({
        version: 0.1,
        log: { level: "info", formatter: "json", accesslog: { disabled: true } },
        storage: {
          filesystem: { rootdirectory: storage },
          maintenance: { uploadpurging: { enabled: false } },
        },
        http: {
          addr: `${address}:${listens}`,
          secret: "of-no-use-here",
          ...(isBehind ? {} : { tls: { certificate: certificate.cert, key: certificate.key } }),
        },
        ...authentication(options, htpasswd),
      }),
    );
    const start = async () => {
      const command = [...(options.place?.prefix ?? []), "docker-registry", "serve", config];
      const process = RunningProgram.start(scratch, command);
      await process.until("it listens", () => accepts(address, listens));
      return process;
    };
    const process = await start();
    if (isBehind) {
      const server = basicAuth(htpasswd, `${address}:${listens}`);
      await startNginx(scratch, { directory, address, port, certificate, server });
    }
    return new Registry(
      scratch,
      process,
      start,
      { address, port, storage },
      authority,
      Boolean(options.authenticated || options.tokens),
    );
  }

  get process(): RunningProgram {
    return this.#process;
  }

  /** Starts it again after it has ended, with what it has stored. */
  async startAgain(): Promise<void> {
    this.#written += this.#process.output;
    this.#process = await this.#start();
  }

  /** Pushes an image straight into the registry. */
  async push(image: Image, repository: string, tag = "latest"): Promise<void> {
    const credentials = this.#authenticated
      ? [`--dest-creds=${ACCOUNT.user}:${ACCOUNT.password}`]
      : [];
    await runWell(this.#scratch, [
      "skopeo",
      "copy",
      "--quiet",
      "--insecure-policy",
      `--dest-cert-dir=${this.authority.directory}`,
      ...credentials,
      image.reference,
      `docker://${this.address}:${this.port}/${repository}:${tag}`,
    ]);
  }

  /** Every successful answer so far, in order, as the registry's log has it. */
  served(): Served[] {
    return (this.#written + this.#process.output).split("\n").flatMap((line) => {
      if (!line.includes('"response completed"')) return [];
      try {
        const entry = JSON.parse(line) as Record<string, unknown>;
        return [
          {
            method: String(entry["http.request.method"]),
            uri: String(entry["http.request.uri"]),
            status: Number(entry["http.response.status"]),
            bytes: Number(entry["http.response.written"] ?? 0),
          },
        ];
      } catch {
        // The line's end is still to come.
        return [];
      }
    });
  }

  /** Starts counting: what {@link Egress} says is relative to this moment. */
  async egress(): Promise<Egress> {
    await this.#settled();
    const before = this.served().length;
    return {
      of: async (layer) => {
        await this.#settled();
        return this.served()
          .slice(before)
          .filter(({ method, uri }) => method === "GET" && uri.includes(`/blobs/${layer.digest}`))
          .reduce((sum, { bytes }) => sum + bytes, 0);
      },
    };
  }

  /** An answer is logged only after its last byte is out. */
  async #settled(): Promise<void> {
    let last = -1;
    await until("the registry's log is quiet", async () => {
      const now = this.#written.length + this.#process.output.length;
      if (now === last) return true;
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return false;
    });
  }
}

function authentication({ authenticated, tokens }: RegistryOptions, htpasswd: string) {
  if (tokens) {
    const { realm, rootCertBundle } = tokens;
    const { SERVICE: service, ISSUER: issuer } = TokenServer;
    return { auth: { token: { realm, service, issuer, rootcertbundle: rootCertBundle } } };
  }
  return authenticated === true ? { auth: { htpasswd: { realm: "test", path: htpasswd } } } : {};
}

/** What a registry has sent since some moment. */
export interface Egress {
  /** Bytes of this blob. */
  of(layer: Layer): Promise<number>;
}

/** What lets a program of ours find the registry without a resolver. */
export function hostAliases(registry: Registry | undefined) {
  return registry ? { hostAliases: { [REGISTRY_NAME]: registry.address } } : {};
}
