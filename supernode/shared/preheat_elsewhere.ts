import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { filterUrl } from "../../protocol/filter_url.ts";
import { headersToWire } from "../../protocol/wire_headers.ts";
import type { Prefetch, PrefetchRequest } from "../preheat/file.ts";
import { PreheatError } from "../preheat/preheat_error.ts";
import { type OwnerClient, OwnerLostError } from "./owner_client.ts";
import type { Ownership } from "./ownership.ts";
import { taskKey } from "./task_key.ts";

const createdSchema = z.object({ ID: z.string() });
const jobSchema = z.object({ status: z.string(), errorMsg: z.string().default("") });
/** Milliseconds between questions how far it is. */
const LOOK_MS = 500;

/**
 * Has each file fetched by the supernode that has its task: there the nodes look for it. Where that one does not
 * answer it is fetched here.
 */
export function prefetchElsewhere(
  local: Prefetch,
  ownership: Pick<Ownership, "ownerOf">,
  owners: Pick<OwnerClient, "ask">,
): Prefetch {
  return async (file) => {
    const { url, filter, identifier, headers, handedOn } = file;
    const taskUrl = filterUrl(url, filter);
    const key = taskKey({ taskUrl, md5: "", identifier, headers: headersToWire(headers) });
    const owner = handedOn ? undefined : await ownership.ownerOf(key);
    if (owner === undefined) return local(file);
    try {
      await fetchThere(owner, file, owners);
    } catch (error) {
      if (!(error instanceof OwnerLostError)) throw error;
      await ownership.ownerOf(key, owner);
      await local(file);
    }
  };
}

async function fetchThere(
  owner: string,
  { url, filter, identifier, headers }: PrefetchRequest,
  owners: Pick<OwnerClient, "ask">,
): Promise<void> {
  const body = { type: "file", url, filter: filter.join("&"), identifier, headers };
  const ask = async <Schema extends z.ZodType>(path: string, schema: Schema, init = {}) => {
    const { text } = await owners.ask(owner, path, init);
    try {
      return schema.parse(JSON.parse(text)) as z.output<Schema>;
    } catch {
      throw new OwnerLostError(`supernode ${owner}: its answer makes no sense`);
    }
  };
  const { ID: id } = await ask("/preheats", createdSchema, { body });
  for (;;) {
    const { status, errorMsg } = await ask(`/preheats/${id}`, jobSchema);
    if (status === "SUCCESS") return;
    if (status === "FAILED") throw new PreheatError(errorMsg);
    await sleep(LOOK_MS, undefined, { ref: false });
  }
}
