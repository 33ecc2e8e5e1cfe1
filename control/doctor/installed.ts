import type { Host } from "../setup/plan.ts";

/** Where packages put programs; Debian has dockerd among those for administrators. */
const PROGRAMS = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/** Whether a program is installed on a host. */
export async function isInstalled(host: Host, program: string): Promise<boolean> {
  const folders = await Promise.all(PROGRAMS.map((folder) => host.list(folder)));
  return folders.some((names) => names.includes(program));
}
