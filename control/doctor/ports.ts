import { askPort, PATIENCE_MS, type PortAnswer } from "./ask_port.ts";
import type { Check, Finding, NodeUnderTest } from "./check.ts";

/** Whether dfdaemon's two ports are its own, or at least free. */
export const ports: Check = {
  name: "port",
  patienceMs: 7000,
  async run(node) {
    const own = lookAtDfdaemon(node);
    if (node.peer.port === 0) return [await own];
    return Promise.all([own, lookAtPeerServer(node)]);
  },
};

async function lookAtPeerServer({ http, peer, otherPeerPort }: NodeUnderTest): Promise<Finding> {
  const answer = await askPort(http, `http://${peer.ip}:${peer.port}/server/ping`, true);
  const isOurs = (text: string) => text.trim() === "success";
  const found = judge(answer, `port ${peer.port}`, peer.port, "the peer server", isOurs);
  return otherPeerPort ? withOther(found, otherPeerPort, peer.port) : found;
}

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
async function lookAtDfdaemon({ http, dfdaemon, config, answer }: NodeUnderTest): Promise<Finding> {
  const name = `port ${config.port}`;
  const found = judge(answer, name, config.port, "dfdaemon", (text) => /"Version"/.test(text));
  if (found.state !== "ok") return found;
  const asked = { signal: AbortSignal.timeout(PATIENCE_MS), tls: { insecure: true } };
  const { status, text } = await http.text(`${dfdaemon}/readyz`, asked, 64 * 1024);
  if (status === 200) return found;
  return {
    ...{ name, state: "fail", says: `dfdaemon answers, and is not ready: ${text.trim()}` },
    todo: "mend what it says; the log has more: journalctl -u dragonfly-dfdaemon",
  };
}

function judge(
  answer: PortAnswer,
  name: string,
  port: number,
  who: string,
  isOurs: (text: string) => boolean,
): Finding {
  if (answer === "nobody listens")
    return {
      ...{ name, state: "warn", says: `free: ${who} does not run` },
      todo: "systemctl start dragonfly-dfdaemon; where it ends at once: journalctl -u dragonfly-dfdaemon",
    };
  if (answer === "silent")
    return {
      ...{
        name,
        state: "fail",
        says: `no answer within ${PATIENCE_MS / 1000} s: it hangs, or this host has no time for it`,
      },
      todo: `uptime; ss -ltnp 'sport = :${port}' names the program: its log, or systemctl restart dragonfly-dfdaemon`,
    };
  if (answer !== "no answer in http" && answer.status === 200 && isOurs(answer.text))
    return { name, state: "ok", says: `${who} answers` };
  return {
    ...{ name, state: "fail", says: `another program has it, not ${who}` },
    todo: `ss -ltnp 'sport = :${port}' names it: stop it, or configure another port`,
  };
}
