import type { HttpClient } from "../../runtime/http_client.ts";
import type { Check, Finding } from "./check.ts";

/** Milliseconds for an answer. */
const PATIENCE_MS = 3000;

/** Whether dfdaemon's two ports are its own, or at least free. */
export const ports: Check = {
  name: "port",
  patienceMs: 7000,
  async run({ http, dfdaemon, config, peer, otherPeerPort }) {
    const own = lookAtDfdaemon(http, `port ${config.port}`, dfdaemon);
    if (peer.port === 0) return [await own];
    const pieces = look(
      http,
      `port ${peer.port}`,
      `http://${peer.ip}:${peer.port}/server/ping`,
      "the peer server",
      (text) => text.trim() === "success",
      true,
    );
    return Promise.all([
      own,
      otherPeerPort ? withOther(await pieces, otherPeerPort, peer.port) : pieces,
    ]);
  },
};

/** Of a peer server that runs on another port than the configured one. */
function withOther(found: Finding, port: number, configured: number): Finding {
  return {
    name: found.name,
    state: found.state === "fail" ? "fail" : "warn",
    says: `dfdaemon's peer server has port ${port} instead: this one was taken when it began, or was configured since`,
    todo: `ss -ltnp 'sport = :${configured}' names what has it; when it is free: systemctl restart dragonfly-dfdaemon`,
  };
}

/** Whether dfdaemon is there, and has all that it needs. */
async function lookAtDfdaemon(http: HttpClient, name: string, url: string): Promise<Finding> {
  const isOurs = (text: string) => /"Version"/.test(text);
  const found = await look(http, name, `${url}/debug/version`, "dfdaemon", isOurs);
  if (found.state !== "ok") return found;
  const asked = { signal: AbortSignal.timeout(PATIENCE_MS), tls: { insecure: true } };
  const { status, text } = await http.text(`${url}/readyz`, asked, 64 * 1024);
  if (status === 200) return found;
  return {
    ...{ name, state: "fail", says: `dfdaemon answers, and is not ready: ${text.trim()}` },
    todo: "mend what it says; the log has more: journalctl -u dragonfly-dfdaemon",
  };
}

async function look(
  http: HttpClient,
  name: string,
  url: string,
  who: string,
  isOurs: (text: string) => boolean,
  own = false,
): Promise<Finding> {
  const port = new URL(url).port;
  const other: Finding = {
    ...{ name, state: "fail", says: `another program has it, not ${who}` },
    todo: `ss -ltnp 'sport = :${port}' names it: stop it, or configure another port`,
  };
  // Nothing else is to be the first to lose patience.
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const asked = { signal, connectTimeoutMs: 2 * PATIENCE_MS, tls: { insecure: true }, own };
    const { status, text } = await http.text(url, asked, 64 * 1024);
    return status === 200 && isOurs(text) ? { name, state: "ok", says: `${who} answers` } : other;
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    if (signal.aborted)
      return {
        ...{
          name,
          state: "fail",
          says: `no answer within ${PATIENCE_MS / 1000} s: it hangs, or this host has no time for it`,
        },
        todo: `uptime; ss -ltnp 'sport = :${port}' names the program: its log, or systemctl restart dragonfly-dfdaemon`,
      };
    if (code !== "ECONNREFUSED") return other;
    return {
      ...{ name, state: "warn", says: `free: ${who} does not run` },
      todo: "systemctl start dragonfly-dfdaemon; where it ends at once: journalctl -u dragonfly-dfdaemon",
    };
  }
}
