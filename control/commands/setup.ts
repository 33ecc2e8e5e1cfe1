import { spawnSync } from "node:child_process";
import { createInterface } from "node:readline/promises";
import { splitList, UsageError } from "../../runtime/command_line.ts";
import { ControlError } from "../control_error.ts";
import { isInstalled } from "../doctor/installed.ts";
import { say } from "../output.ts";
import { changesOf, showChanges } from "../setup/changes.ts";
import { planContainerd } from "../setup/containerd.ts";
import { planDocker } from "../setup/docker.ts";
import { HostFiles } from "../setup/host_files.ts";
import { readNodeSetup } from "../setup/node_setup.ts";
import { ENGINES, type Engine, type Host, type NodeSetup, type SetupPlan } from "../setup/plan.ts";
import { Recorder } from "../setup/record.ts";
import { planRegistriesConf } from "../setup/registries_conf.ts";

export interface SetupFlags {
  config?: string;
  root: string;
  registry?: string;
  undo?: boolean;
  yes?: boolean;
  force?: boolean;
  restart?: boolean;
}

type Planner = (node: NodeSetup, host: Host) => Promise<SetupPlan>;

/** Podman and CRI-O read the same files; podman needs not be told. */
const CONTAINERS = {
  plan: planRegistriesConf,
  record: "containers",
  activate: [["systemctl", "try-reload-or-restart", "crio"]],
};

/** How each engine is set up, and under which name that is remembered. */
const SETUPS: Readonly<Record<Engine, { plan: Planner; record: string; activate: string[][] }>> = {
  docker: {
    plan: planDocker,
    record: "docker",
    activate: [
      ["systemctl", "daemon-reload"],
      ["systemctl", "restart", "docker"],
    ],
  },
  containerd: {
    plan: planContainerd,
    record: "containerd",
    activate: [["systemctl", "restart", "containerd"]],
  },
  crio: CONTAINERS,
  podman: CONTAINERS,
};

/** `dfctl setup ENGINE`: has a container engine pull through this node's dfdaemon; `--undo` takes it back. */
export async function setup(name: string, flags: SetupFlags): Promise<void> {
  const engine = ENGINES.find((known) => known === name);
  if (!engine) throw new UsageError(`no engine "${name}": expected ${ENGINES.join(", ")}`);
  const host = new HostFiles(flags.root);
  const { plan, record, activate } = SETUPS[engine];
  const recorder = new Recorder(host, record);
  // CRI-O may not be here.
  const isHeard = engine !== "podman" || (await isInstalled(host, "crio"));
  if (flags.undo) {
    const changes = await recorder.toUndo(flags.force === true);
    if (changes.length > 0) {
      say(showChanges(changes, coloured()));
      await agree("Put back what stood before?", flags);
    }
    await recorder.undo();
    say(`${engine} is as it was before`);
    finish(isHeard ? activate : [], flags);
    return;
  }
  const node = await readNodeSetup(host, flags.config, splitList(flags.registry ?? ""));
  const planned = await plan(node, host);
  const changes = await changesOf(planned.files, host);
  if (changes.length === 0) say(`nothing to change: ${engine} is set up`);
  else {
    say(showChanges(changes, coloured()));
    await agree("Write this?", flags);
    await recorder.apply(changes, flags.force === true);
    say(`${engine} is set up to pull through ${node.dfdaemon}`);
  }
  for (const note of planned.notes) say(`note: ${note}`);
  if (changes.length > 0) finish(isHeard ? planned.activate : [], flags);
}

/** Asks a person; nobody is taken for a yes. */
async function agree(question: string, { yes }: SetupFlags): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY)
    throw new ControlError("nothing was changed: there is nobody to ask here; --yes agrees");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C and ctrl-D mean no.
  const answer = await terminal.question(`${question} [y/N] `).catch(() => "");
  terminal.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new ControlError("nothing was changed");
}

/** The engine reads its configuration when it is told to: by a person, or by us where asked. */
function finish(activate: readonly string[][], { restart, root }: SetupFlags): void {
  if (activate.length === 0) return;
  const lines = activate.map((command) => command.join(" "));
  if (!restart || root !== "/") {
    say(`to have it take effect: ${lines.join(" && ")}`);
    return;
  }
  for (const [index, [command, ...args]] of activate.entries()) {
    const { status, error } = spawnSync(command!, args, { stdio: "inherit" });
    if (status !== 0)
      throw new ControlError(`${lines[index]} failed${error ? `: ${error.message}` : ""}`);
    say(`done: ${lines[index]}`);
  }
}

function coloured(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR;
}
