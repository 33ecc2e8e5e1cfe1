import { spawn } from "node:child_process";

/** What a service manager (systemd) asks of a program, by environment variables: sd_notify(3). */
export interface ServiceManager {
  /** The program does its work now. */
  ready(): Promise<void>;
  /** The program is about to end: no more signs of life. */
  stopping(): Promise<void>;
}

/** Nobody waits longer for systemd to take a message, ms. */
const MESSAGE_LIMIT_MS = 5000;

/**
 * The service manager that started this process; without one (no `NOTIFY_SOCKET`) nothing is sent.
 *
 * Once ready, it hears from us three times in each `WATCHDOG_USEC`. That a timer sends it is the point:
 * a process whose event loop hangs falls silent, and is started anew. Messages go by systemd-notify(1),
 * as neither runtime speaks to Unix datagram sockets; the unit must allow it with `NotifyAccess=all`.
 *
 * @param env the process's environment
 * @param failed told once why a message could not be sent
 */
export function serviceManager(
  env: NodeJS.ProcessEnv,
  failed: (reason: string) => void,
): ServiceManager {
  if (!env.NOTIFY_SOCKET) return { ready: async () => {}, stopping: async () => {} };
  let told = false;
  const send = async (message: string) => {
    const reason = await notify(message, env);
    if (reason === undefined || told) return;
    told = true;
    failed(reason);
  };
  const watchdogMs = Number(env.WATCHDOG_USEC ?? 0) / 1000;
  let signs: NodeJS.Timeout | undefined;
  return {
    async ready() {
      await send("READY=1");
      if (watchdogMs > 0) {
        signs = setInterval(() => void send("WATCHDOG=1"), Math.max(100, watchdogMs / 3));
        signs.unref();
      }
    },
    async stopping() {
      clearInterval(signs);
      await send("STOPPING=1");
    },
  };
}

/** @returns why it could not be sent; `undefined`: it was */
function notify(message: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn("systemd-notify", [message], { env, stdio: "ignore" });
    const limit = setTimeout(() => child.kill("SIGKILL"), MESSAGE_LIMIT_MS);
    const settle = (reason: string | undefined) => {
      clearTimeout(limit);
      resolve(reason);
    };
    child.once("error", (error) => settle(`systemd-notify: ${error.message}`));
    child.once("exit", (code, signal) =>
      settle(code === 0 ? undefined : `systemd-notify ended with ${code ?? signal}`),
    );
  });
}
