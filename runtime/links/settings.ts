import * as z from "zod";
import { configSection, type NamedFile } from "../config_file.ts";
import { documented } from "../key_notes.ts";

const OURS = { ours: true, type: "path", default: "must be given" };
const path = z.string("expected the path of a file").min(1, "expected the path of a file");

/** The `tls:` block, the same in the configuration of every program. */
export const tlsSchema = configSection({
  cert: documented(
    path,
    "PEM file: the certificate by which this program is known, with those between it and the authority. Its extended key usage, if it has one, must have both `serverAuth` and `clientAuth`",
    OURS,
  ),
  key: documented(path, "PEM file: its key", OURS),
  ca: documented(
    path,
    "PEM file: the authorities, one of which must have signed what another program shows",
    OURS,
  ),
  verifyHostname: documented(
    z.boolean("expected true or false"),
    "whether one that is known by a host name must have that name in its certificate",
    { ours: true },
  ).default(true),
});
export type TlsSettings = z.output<typeof tlsSchema>;

/** How this program proves to others of ours that it is one of them, as a configuration says it. */
export interface LinkSettings {
  tls?: TlsSettings | null | undefined;
  /** A file with a secret that all programs share. */
  secretFile?: string | undefined;
}

/** The files that it names. */
export function linkFiles({ tls, secretFile }: LinkSettings): NamedFile[] {
  const parts = tls ? (["cert", "key", "ca"] as const) : [];
  return [
    ...parts.map((part) => ({ key: `tls.${part}`, path: tls![part] })),
    ...(secretFile ? [{ key: "secretFile", path: secretFile }] : []),
  ];
}

/** The keys by which a configuration says it; a change of them waits for a restart. */
export const LINK_KEYS = ["tls", "secretFile"] as const;
