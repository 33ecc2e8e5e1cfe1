import { CLIENT_ACTIVE_MS, type Client } from "../tasks/task.ts";

/** Who goes by v1's schedule, by task: few where our nodes are many. */
export class V1Clients {
  readonly #byTask = new Map<string, Map<string, Client>>();

  add(client: Client): void {
    const { taskId, cid } = client;
    const others = this.#byTask.get(taskId) ?? new Map<string, Client>();
    this.#byTask.set(taskId, others.set(cid, client));
  }

  remove(taskId: string, cid: string): void {
    const clients = this.#byTask.get(taskId);
    clients?.delete(cid);
    if (clients?.size === 0) this.#byTask.delete(taskId);
  }

  /** Whether one of them is at a task now. */
  isAny(taskId: string, nowMs: number): boolean {
    for (const client of this.#byTask.get(taskId)?.values() ?? []) {
      if (client.state === "RUNNING" && client.lastAccessMs > nowMs - CLIENT_ACTIVE_MS) return true;
    }
    return false;
  }
}
