import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { freshAddress } from "./addresses.ts";
import { Authority } from "./authority.ts";
import type { Scratch } from "./scratch.ts";

/** docker-registry takes a token for so long after it has expired, s (distribution, `token.Leeway`). */
const LEEWAY_S = 60;

export interface Account {
  readonly user: string;
  readonly password: string;
}

export interface TokenOptions {
  /** Seconds until the registry refuses the token, at most 60 s less than it says itself. Default: 300. */
  lifetimeS?: number;
}

/**
 * Gives tokens to one account, by the distribution's token specification: signed JWTs that name the
 * registry, its repositories and what may be done there. Everybody else is told 401.
 */
export class TokenServer {
  static readonly SERVICE = "test-registry";
  static readonly ISSUER = "test-issuer";
  /** Where tokens are to be had. */
  readonly realm: string;
  /** The certificates by which a registry checks the tokens: a PEM file. */
  readonly rootCertBundle: string;
  /** Tokens given so far, in order: secrets, all of them. */
  readonly given: string[] = [];
  readonly #authority: Authority;
  readonly #account: Account;

  private constructor(realm: string, authority: Authority, account: Account) {
    this.realm = realm;
    this.#authority = authority;
    this.#account = account;
    this.rootCertBundle = authority.files.cert;
  }

  /** @param tls signs what it shows; without, it is asked in the clear */
  static async start(scratch: Scratch, account: Account, tls?: Authority): Promise<TokenServer> {
    const address = freshAddress();
    const server = tls ? createTlsServer((await tls.leaf(address)).pair) : createServer();
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    scratch.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    const authority = await Authority.create(scratch, `tokens-${port}`);
    const tokens = new TokenServer(
      `http${tls ? "s" : ""}://${address}:${port}/token`,
      authority,
      account,
    );
    server.on("request", (request, response) => tokens.#answer(request, response));
    return tokens;
  }

  /** A token for `actions` (`pull`, `push`) on a repository. */
  issue(repository: string, actions: readonly string[], options: TokenOptions = {}): string {
    return this.#issue([{ type: "repository", name: repository, actions }], options);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { user, password } = this.#account;
    const basic = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    if (request.headers.authorization !== basic) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="tokens"' }).end();
      return;
    }
    const { searchParams } = new URL(request.url ?? "/", "http://tokens");
    const access = searchParams.getAll("scope").map((scope) => {
      const [type = "", name = "", actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ token: this.#issue(access, {}), expires_in: 300 }));
  }

  #issue(access: readonly object[], { lifetimeS = 300 }: TokenOptions): string {
    const { cert, key } = this.#authority.files.pair;
    const nowS = Math.floor(Date.now() / 1000);
    // The registry reads the signer's certificate from the token, and checks it by its bundle.
    const header = {
      typ: "JWT",
      alg: "ES256",
      x5c: [new X509Certificate(cert).raw.toString("base64")],
    };
    const claims = {
      iss: TokenServer.ISSUER,
      sub: this.#account.user,
      aud: TokenServer.SERVICE,
      nbf: nowS - 2 * LEEWAY_S,
      iat: nowS - 2 * LEEWAY_S,
      exp: nowS + lifetimeS - LEEWAY_S,
      jti: String(this.given.length),
      access,
    };
    const text = [header, claims].map((part) => base64url(JSON.stringify(part))).join(".");
    const signature = sign("sha256", Buffer.from(text), {
      key: createPrivateKey(key),
      dsaEncoding: "ieee-p1363",
    });
    const token = `${text}.${base64url(signature)}`;
    this.given.push(token);
    return token;
  }
}

function base64url(bytes: string | Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
