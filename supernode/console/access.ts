import * as z from "zod";
import { isAddressRange, plainAddress } from "../../runtime/address_ranges.ts";
import { documented } from "../../runtime/key_notes.ts";
import { type Admits, thisHostAnd } from "../../runtime/this_host.ts";
import { hostOf, isFromElsewhere, OurNames } from "../our_names.ts";

const range = z.string().refine(isAddressRange, "expected an address range such as 10.0.0.0/8");
const name = z.string().regex(/^[a-z0-9.-]+$/i, "expected a host name");

/** `console:` of the supernode's configuration. */
export const consoleConfigSchema = z.object({
  enabled: documented(z.boolean("expected true or false"), "whether there is a console", {
    ours: true,
  }).default(true),
  allowedClients: documented(
    z.array(range),
    "who may see it, and start preheats there, besides the supernode's own host; others get 403",
    { ours: true, type: "list of CIDR ranges" },
  ).default([]),
  names: documented(
    z.array(name),
    "host names by which browsers reach it, besides this host's own name, `localhost` and addresses: another name that leads here is refused",
    { ours: true },
  ).default([]),
});
export type ConsoleConfig = z.infer<typeof consoleConfigSchema>;

/** What a request tells of who asks, and how. */
export interface Visitor {
  /** The address it comes from, and the one it was made to. */
  remote: string;
  local?: string | undefined;
  /** Its headers `Host` and `Origin`. */
  host: string;
  origin?: string | undefined;
}

/**
 * Decides who may see the console, which shows names of images and addresses of nodes to whom the port
 * is open: this host, and `allowedClients`. A browser must know it by a name that is ours, else a page
 * of another site could have its own name lead here and read along (DNS rebinding); and what changes
 * anything must come from our own page.
 *
 * @param isOwn whether an address is this host's own
 */
export class ConsoleAccess {
  readonly #admits: Admits;
  readonly #names: OurNames;

  constructor({ allowedClients, names }: ConsoleConfig, isOwn?: Admits) {
    this.#admits = thisHostAnd(allowedClients, isOwn);
    this.#names = new OurNames(names);
  }

  /** Why a visitor may not see it; `undefined`: may. */
  refusal({ remote, local, host }: Visitor): string | undefined {
    if (!this.#admits(remote, local)) {
      const port = /:(\d+)$/.exec(host)?.[1] ?? "8002";
      return (
        `${plainAddress(remote)} may not see this console: it is for this host, and for the address ` +
        "ranges in base.console.allowedClients of supernode.yml. From elsewhere, " +
        `\`ssh -L ${port}:localhost:${port} <this host>\` makes it http://localhost:${port}/console`
      );
    }
    if (this.#names.include(host)) return undefined;
    return (
      `this console does not know itself by the name ${JSON.stringify(hostOf(host) ?? host)}: add it to ` +
      "base.console.names of supernode.yml, or come by this host's address"
    );
  }

  /** Why a visitor may not change anything; `undefined`: may. */
  refusalOfChange(visitor: Visitor): string | undefined {
    const refusal = this.refusal(visitor);
    if (refusal !== undefined) return refusal;
    return isFromElsewhere(visitor) ? "this request comes from a page of another site" : undefined;
  }
}
