import { expect } from "vitest";
import { blobsIn, type Image, manifestDigestIn } from "./image.ts";
import { RunningProgram } from "./process.ts";
import { ACCOUNT, type Registry } from "./registry.ts";
import type { Scratch } from "./scratch.ts";

export interface SkopeoPull {
  registry: Registry;
  repository: string;
  /** Directory that receives manifest and blobs. */
  into: string;
  /** `http://…` or `https://…` of a proxy; absent: straight to the registry, by its address. */
  proxy?: string;
  /** Directory with the authority (`ca.crt`) that skopeo trusts, for the proxy and behind it. */
  trust: string;
  /** Log in as {@link ACCOUNT}. */
  login?: boolean;
}

/** Starts a pull by skopeo, which knows nothing of us but the environment's `HTTPS_PROXY`. */
export function startSkopeoPull(scratch: Scratch, pull: SkopeoPull): RunningProgram {
  const { registry, proxy } = pull;
  const host = proxy === undefined ? `${registry.address}:${registry.port}` : registry.host;
  return RunningProgram.start(
    scratch,
    [
      "skopeo",
      "copy",
      "--quiet",
      "--insecure-policy",
      `--src-cert-dir=${pull.trust}`,
      ...(pull.login ? [`--src-creds=${ACCOUNT.user}:${ACCOUNT.password}`] : []),
      `docker://${host}/${pull.repository}:latest`,
      `dir:${pull.into}`,
    ],
    { env: proxy === undefined ? {} : { HTTPS_PROXY: proxy } },
  );
}

/** A pull that must go well, and what it brought must be the image. */
export async function expectImage(pull: RunningProgram, into: string, image: Image): Promise<void> {
  const finished = await pull.finished();
  expect(finished, finished.output).toMatchObject({ code: 0 });
  // Newer versions mend a stream that breaks off by a second request; ours must not break off.
  expect(finished.output).not.toContain("reconnecting");
  expect(await manifestDigestIn(into)).toBe(image.manifestDigest);
  const blobs = (await blobsIn(into)).map(({ digest }) => digest);
  expect(blobs).toEqual(expect.arrayContaining(image.layers.map(({ digest }) => digest)));
  expect(blobs).toContain(image.configDigest);
}
