import type { Dice } from "./dice.ts";

const HANDSHAKE = 22;

/** A TLS record (RFC 8446 §5.1). */
function record(type: number, version: number, body: Buffer, length = body.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(version, 1);
  head.writeUInt16BE(length, 3);
  return Buffer.concat([head, body]);
}

function withLength(bytes: number, body: Buffer): Buffer {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(body.length, 0, bytes);
  return Buffer.concat([length, body]);
}

function extension(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(type);
  return Buffer.concat([head, withLength(2, body)]);
}

/** A ClientHello as it should be (RFC 8446 §4.1.2), but for what chance puts into it. */
export function clientHello(dice: Dice): Buffer {
  const name = Buffer.from(
    dice.pick(["origin.test", "localhost", "", "a".repeat(300), "%00", "[::1]"]),
  );
  const extensions = [
    extension(0, withLength(2, Buffer.concat([Buffer.of(0), withLength(2, name)]))),
    extension(10, withLength(2, Buffer.from("001d00170018", "hex"))),
    extension(13, withLength(2, Buffer.from("040308040401050308050501", "hex"))),
    extension(16, withLength(2, withLength(1, Buffer.from(dice.pick(["http/1.1", "h2", "x"]))))),
    extension(
      43,
      withLength(1, Buffer.from(dice.pick(["0304", "0303", "03040303", "0002"]), "hex")),
    ),
    extension(
      51,
      withLength(2, Buffer.concat([Buffer.from("001d", "hex"), withLength(2, dice.bytes(32))])),
    ),
    extension(dice.int(65_536), dice.bytes(dice.int(50))),
  ].filter(() => !dice.chance(0.1));
  const body = Buffer.concat([
    Buffer.from("0303", "hex"),
    dice.bytes(32),
    withLength(1, dice.bytes(dice.pick([0, 32]))),
    withLength(2, Buffer.from("130113021303c02bc02fc02cc030", "hex")),
    withLength(1, Buffer.of(0)),
    withLength(2, Buffer.concat(extensions)),
  ]);
  return record(HANDSHAKE, 0x0301, Buffer.concat([Buffer.of(1), withLength(3, body)]));
}

/** What a server that speaks TLS should not be sent. */
export const TLS_BREAKAGES: Readonly<Record<string, (dice: Dice) => Buffer>> = {
  "a ClientHello and no more": clientHello,
  "a ClientHello with flipped bytes": (dice) => {
    const bytes = clientHello(dice);
    for (let flips = 1 + dice.int(4); flips > 0; flips--)
      bytes[dice.int(bytes.length)] = dice.int(256);
    return bytes;
  },
  "half a ClientHello": (dice) => {
    const bytes = clientHello(dice);
    return bytes.subarray(0, dice.int(bytes.length));
  },
  "a ClientHello in small records": (dice) => {
    const body = clientHello(dice).subarray(5);
    const step = 1 + dice.int(40);
    const parts: Buffer[] = [];
    for (let at = 0; at < body.length; at += step)
      parts.push(record(HANDSHAKE, 0x0303, body.subarray(at, at + step)));
    return Buffer.concat(parts);
  },
  "records of any type": (dice) =>
    Buffer.concat(
      Array.from({ length: 1 + dice.int(4) }, () =>
        record(
          dice.pick([20, 21, 22, 23, 24, dice.int(256)]),
          dice.pick([0x0300, 0x0301, 0x0303, 0x0304, 0]),
          dice.bytes(dice.int(200)),
        ),
      ),
    ),
  "a record longer than any may be": (dice) => record(HANDSHAKE, 0x0303, dice.bytes(100), 65_535),
  "a ClientHello and then noise": (dice) => Buffer.concat([clientHello(dice), dice.bytes(300)]),
  "an alert": () => record(21, 0x0303, Buffer.of(2, 40)),
  "plain HTTP": () => Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  noise: (dice) => dice.bytes(1 + dice.int(500)),
};
