import { expect, it, vi } from "vitest";
import { ListenError } from "../runtime/listen_error.ts";
import type { LocalAddress } from "../runtime/local_address.ts";
import { getLogger } from "../runtime/logger.ts";
import { OwnAddress } from "./own_address.ts";

const OLD = "10.64.0.11";
const NEW = "10.64.0.12";

/** A host with these addresses, whose supernode sees it as `found`, and whose peer began at OLD. */
function host({ has, found, isSure = true, lookMs = 1e9 }: Options) {
  const peer = {
    ip: OLD,
    refuses: false,
    async moveTo(ip: string) {
      if (peer.refuses) throw new ListenError("taken");
      peer.ip = ip;
    },
  };
  const asked: LocalAddress[] = [];
  const choose = async () => {
    asked.push(found);
    return found;
  };
  const own = new OwnAddress({
    ...{ peer, chosen: { isSure, choose }, log: getLogger("dfdaemon"), lookMs },
    isLocal: (address) => has.includes(address),
  });
  return { peer, asked, own };
}

interface Options {
  has: string[];
  found: LocalAddress;
  isSure?: boolean;
  lookMs?: number;
}

it("looks by itself, until it is closed", async () => {
  const { peer, own } = host({ has: [NEW], found: { address: NEW, isSure: true }, lookMs: 1 });
  await vi.waitUntil(() => peer.ip === NEW);
  own.close();
});

it("asks nobody while the host has the address that was found", async () => {
  const { peer, asked, own } = host({ has: [OLD, NEW], found: { address: NEW, isSure: true } });
  await own.look();
  expect([peer.ip, asked]).toEqual([OLD, []]);
});

it("moves where the address is gone, even by a guess", async () => {
  for (const isSure of [true, false]) {
    const { peer, own } = host({ has: [NEW], found: { address: NEW, isSure } });
    await own.look();
    expect(peer.ip).toBe(NEW);
  }
});

it("stays where it was as long as the host has no address at all", async () => {
  const { peer, own } = host({ has: [], found: { address: "127.0.0.1", isSure: false } });
  await own.look();
  expect(peer.ip).toBe(OLD);
});

it("a guess gives way to what is sure, and to no other guess", async () => {
  const unsure = host({ has: [OLD, NEW], found: { address: NEW, isSure: false }, isSure: false });
  await unsure.own.look();
  expect(unsure.peer.ip).toBe(OLD);
  const sure = host({ has: [OLD, NEW], found: { address: NEW, isSure: true }, isSure: false });
  await sure.own.look();
  await sure.own.look();
  expect(sure.peer.ip).toBe(NEW);
  expect(sure.asked).toHaveLength(1);
});

it("tries again where the new one could not be served on", async () => {
  const { peer, own } = host({ has: [NEW], found: { address: NEW, isSure: true } });
  peer.refuses = true;
  await own.look();
  expect(peer.ip).toBe(OLD);
  peer.refuses = false;
  await own.look();
  expect(peer.ip).toBe(NEW);
});

it("goes by another configuration, and by none", async () => {
  const { peer, own } = host({ has: [OLD, NEW], found: { address: NEW, isSure: true } });
  await own.follow(undefined);
  expect(peer.ip).toBe(OLD);
  await own.follow({ isSure: true, choose: async () => ({ address: NEW, isSure: true }) });
  expect(peer.ip).toBe(NEW);
});
