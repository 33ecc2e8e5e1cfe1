import * as z from "zod";
import type { HttpClient } from "./http_client.ts";
import { HttpError } from "./http_error.ts";
import { redactUrl } from "./redact_url.ts";

/** One challenge of a `WWW-Authenticate` header, its scheme in lower case. */
export interface Challenge {
  scheme: string;
  /** Names in lower case. */
  params: Record<string, string>;
}

/** A registry's token and how long it may be used. */
export interface Token {
  token: string;
  /** ms */
  lifetimeMs: number;
}

/** Tokens without `expires_in` live this long: 60 s (distribution's token specification). */
const DEFAULT_LIFETIME_S = 60;

/** Reads the challenges of a `WWW-Authenticate` header (RFC 9110 §11.6.1). */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  // An auth-param `name=value`, or else a word that begins the next challenge.
  const part = /([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([\w-]+)/g;
  for (const [, name, quoted, bare, scheme] of header.matchAll(part)) {
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), params: {} });
    else if (name !== undefined) {
      const value = quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "";
      const current = challenges.at(-1);
      if (current) current.params[name.toLowerCase()] = value;
    }
  }
  return challenges;
}

/**
 * Where to ask for the token that a Bearer challenge wants.
 *
 * @throws {HttpError} when the challenge names no usable place
 */
export function tokenUrl(challenge: Challenge, registryUrl: string): string {
  const { realm, service, scope } = challenge.params;
  if (!realm || !URL.canParse(realm)) {
    throw new HttpError(`${redactUrl(registryUrl)} asks for a token but not where from (realm)`);
  }
  const url = new URL(realm);
  if (url.protocol !== "https:" && url.protocol !== new URL(registryUrl).protocol) {
    throw new HttpError(
      `${redactUrl(registryUrl)} wants credentials sent unencrypted to ${redactUrl(realm)}`,
    );
  }
  if (service) url.searchParams.set("service", service);
  // Several scopes come as one, separated by blanks (OAuth 2), and go as several parameters.
  for (const one of scope?.split(" ").filter(Boolean) ?? []) url.searchParams.append("scope", one);
  return url.href;
}

const tokenAnswerSchema = z
  .object({
    token: z.string().min(1).optional(),
    access_token: z.string().min(1).optional(),
    expires_in: z.number().positive().optional(),
  })
  .refine((answer) => answer.token ?? answer.access_token);

/**
 * Gets the token a Bearer challenge asks for.
 *
 * @param credentials the value of a Basic `Authorization` header, where the user has one
 * @throws {HttpError} when the token server refuses or answers nonsense
 */
export async function fetchToken(
  client: HttpClient,
  challenge: Challenge,
  registryUrl: string,
  credentials: string | undefined,
): Promise<Token> {
  const url = tokenUrl(challenge, registryUrl);
  const answer = await client.text(url, {
    headers: credentials ? { authorization: credentials } : {},
    maxRedirects: 3,
  });
  if (answer.status !== 200) {
    throw new HttpError(`token server ${redactUrl(url)} answered ${answer.status}`);
  }
  let parsed: z.infer<typeof tokenAnswerSchema>;
  try {
    parsed = tokenAnswerSchema.parse(JSON.parse(answer.text));
  } catch {
    throw new HttpError(`token server ${redactUrl(url)} answered without a token`);
  }
  return {
    token: parsed.token ?? parsed.access_token ?? "",
    lifetimeMs: (parsed.expires_in ?? DEFAULT_LIFETIME_S) * 1000,
  };
}
