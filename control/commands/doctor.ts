import { UsageError } from "../../runtime/command_line.ts";
import { authorizationFor } from "../auth_file.ts";
import { certificates } from "../doctor/certificates.ts";
import { type Check, type Finding, STATES, worstOf } from "../doctor/check.ts";
import { disk } from "../doctor/disk.ts";
import { engines } from "../doctor/engines.ts";
import { fileDescriptors } from "../doctor/file_descriptors.ts";
import { lookAtNode } from "../doctor/look_at_node.ts";
import { peerPort } from "../doctor/peer_port.ts";
import { ports } from "../doctor/ports.ts";
import { pull } from "../doctor/pull.ts";
import { registry } from "../doctor/registry.ts";
import { runChecks } from "../doctor/run_checks.ts";
import { supernodes } from "../doctor/supernodes.ts";
import { parseImage } from "../image_reference.ts";
import { type OutputFlags, say, sayJson } from "../output.ts";

export interface DoctorFlags extends OutputFlags {
  config?: string;
  root: string;
  image?: string;
  authfile?: string;
}

const CHECKS: readonly Check[] = [
  ...[certificates, ports, supernodes, registry, peerPort, disk, fileDescriptors, engines, pull],
];

/**
 * `dfctl doctor`: looks at everything on a node that can be wrong, and says what to do about it.
 *
 * @returns 0, 1 or 2: the worst that was found
 */
export async function doctor(flags: DoctorFlags): Promise<number> {
  if (flags.authfile && !flags.image)
    throw new UsageError("--authfile: its credentials are for the registry of --image: name one");
  const image = flags.image === undefined ? undefined : parseImage(flags.image);
  const { finding, node } = await lookAtNode(flags.config, flags.root);
  const findings: Finding[] = [];
  const found = (one: Finding) => {
    findings.push(one);
    if (!flags.json) say(show(one));
  };
  found(finding);
  if (node) {
    node.image = flags.image;
    if (image && flags.authfile) {
      const authorization = await authorizationFor(image.host, flags.authfile);
      node.credentials = async () => authorization;
    }
    for await (const one of runChecks(CHECKS, node)) found(one);
    node.http.close();
  }
  const worst = worstOf(findings);
  if (flags.json) sayJson({ state: worst, findings });
  return STATES.indexOf(worst);
}

function show({ name, state, says, todo }: Finding): string {
  const colours = { ok: 32, warn: 33, fail: 31 } as const;
  const coloured = process.stdout.isTTY === true && !process.env.NO_COLOR;
  const mark = coloured ? `\u001b[${colours[state]}m${state}\u001b[0m` : state;
  const line = `${mark}${" ".repeat(6 - state.length)}${name}: ${says}`;
  return todo === undefined ? line : `${line}\n      → ${todo}`;
}
