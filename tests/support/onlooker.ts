import { ClientStatus, Code, PieceResult } from "../../protocol/codes.ts";
import { envelopeSchema } from "../../protocol/v1/envelope.ts";
import { type PieceTask, pieceTasksSchema } from "../../protocol/v1/pull_piece.ts";
import { registerDataSchema } from "../../protocol/v1/register.ts";
import { freshAddress } from "./addresses.ts";
import type { Supernode } from "./supernode.ts";

/**
 * Asks the supernode, as a new v1 client that serves nobody, from whom it would have the pieces of a
 * file: what the supernode believes of its peers.
 */
export async function whoServes(supernode: Supernode, url: string): Promise<PieceTask[]> {
  const ip = freshAddress();
  const cid = `${ip}-1-${(Date.now() / 1000).toFixed(3)}`;
  const api = `http://${supernode.node}`;
  const registered = await ask(`${api}/peer/registry`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      superNodeIp: supernode.address,
      rawUrl: url,
      taskUrl: url,
      cid,
      ip,
      hostName: "onlooker",
      port: 0,
      path: "/peer/file/onlooker",
      version: "1.0.6",
      // The certificate of a test's registry is of no concern here.
      insecure: true,
      pattern: "p2p",
    }),
  });
  const { taskId } = registerDataSchema.parse(registered.data);
  const pull = new URLSearchParams({
    srcCid: cid,
    taskId,
    status: String(ClientStatus.started),
    result: String(PieceResult.invalid),
  });
  const pulled = await ask(`${api}/peer/task?${pull}`);
  return pulled.code === Code.continue ? pieceTasksSchema.parse(pulled.data) : [];
}

async function ask(url: string, init: RequestInit = {}) {
  const response = await fetch(url, init);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url}: HTTP ${response.status}: ${text}`);
  return envelopeSchema.parse(JSON.parse(text));
}
