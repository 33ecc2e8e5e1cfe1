import { Bitmap } from "./bitmap.ts";
import { DIGEST_BYTES, MAX_SEAL_BLOCKS, type Seal, SIGNATURE_BYTES } from "./seal.ts";

/**
 * How neighbours tell each other what they hold: `GET /peer/swarm/<taskFileName>?…` answers with a
 * stream of frames that goes on until one of them goes. First a bitmap, then what has come since, at
 * most every {@link HAVE_INTERVAL_MS}, each frame with a hint of how busy the sender's uplink is. What
 * blocks hash to comes before it is said that they are held.
 *
 * A frame is a byte for its kind, a big-endian 32-bit number of bytes that follow, and these: for all
 * kinds first the load (two 16-bit numbers of 0.1 ms: the queue, one block), then for `bitmap` the
 * bitmap's bytes, for `delta` 32-bit block numbers, for `seal` the first block and the version, 32 bits
 * each, the signature, and the digests (`seal.ts`).
 */
export interface HaveMessage {
  /** The first frame: everything held. */
  bitmap?: Bitmap;
  /** Blocks that have come since the last frame; empty where only the load is told. */
  have: readonly number[];
  load: Load;
  /** What blocks hash to, as the supernode says. */
  seal?: Seal;
}

/** What a request to a node would have to wait for. */
export interface Load {
  /** Milliseconds that the requests already waiting will take, by the rate measured. */
  queueMs: number;
  /** Milliseconds that one block takes on the uplink, by the rate measured; 0 while nothing is known. */
  blockMs: number;
}

/** Milliseconds between two frames on a stream at least. */
export const HAVE_INTERVAL_MS = 25;
/** Milliseconds after which a frame is sent though there is nothing new: one who is silent is dead. */
export const HAVE_KEEPALIVE_MS = 400;

const KIND = { bitmap: 1, delta: 2, seal: 3 } as const;
const HEAD = 5;
const LOAD = 4;
/** Bytes of a seal before its digests. */
const SEAL = 8 + SIGNATURE_BYTES;
/** The highest time in a load, ms. */
export const MAX_LOAD_MS = 6553.5;

/** The bytes of a frame; a message has a bitmap, or a seal, or else it is a delta. */
export function encodeHave(message: HaveMessage): Uint8Array<ArrayBuffer> {
  const { load, seal, have } = message;
  if (seal) {
    const { bytes, view } = frame(KIND.seal, SEAL + seal.digests.length, load);
    view.setUint32(HEAD + LOAD, seal.first);
    view.setUint32(HEAD + LOAD + 4, seal.version);
    bytes.set(seal.signature, HEAD + LOAD + 8);
    bytes.set(seal.digests, HEAD + LOAD + SEAL);
    return bytes;
  }
  const map = message.bitmap?.toBytes();
  if (map) {
    const { bytes } = frame(KIND.bitmap, map.length, load);
    bytes.set(map, HEAD + LOAD);
    return bytes;
  }
  const { bytes, view } = frame(KIND.delta, have.length * 4, load);
  for (const [index, block] of have.entries()) view.setUint32(HEAD + LOAD + index * 4, block);
  return bytes;
}

function frame(kind: number, body: number, load: Load) {
  const bytes = new Uint8Array(HEAD + LOAD + body);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, kind);
  view.setUint32(1, LOAD + body);
  view.setUint16(HEAD, tenths(load.queueMs));
  view.setUint16(HEAD + 2, tenths(load.blockMs));
  return { bytes, view };
}

function tenths(ms: number): number {
  return Math.round(Math.min(Math.max(0, ms), MAX_LOAD_MS) * 10);
}

/** Cuts a neighbour's stream into messages. */
export class HaveDecoder {
  readonly #blocks: number;
  #rest = new Uint8Array(0);
  #started = false;

  /** @param blocks how many blocks the file has */
  constructor(blocks: number) {
    this.#blocks = blocks;
  }

  /**
   * Takes the next bytes of the stream and gives the messages that are complete.
   *
   * @throws {RangeError} where it is no such stream; nothing more can be read from it then
   */
  push(chunk: Uint8Array): HaveMessage[] {
    const bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    const view = new DataView(bytes.buffer);
    const messages: HaveMessage[] = [];
    let at = 0;
    while (bytes.length - at >= HEAD) {
      const kind = view.getUint8(at);
      const size = view.getUint32(at + 1);
      this.#check(kind, size);
      if (bytes.length - at < HEAD + size) break;
      const load = {
        queueMs: view.getUint16(at + HEAD) / 10,
        blockMs: view.getUint16(at + HEAD + 2) / 10,
      };
      const from = at + HEAD + LOAD;
      at += HEAD + size;
      if (kind === KIND.bitmap) {
        const bitmap = Bitmap.fromBytes(bytes.subarray(from, at), this.#blocks);
        messages.push({ bitmap, have: [], load });
        this.#started = true;
        continue;
      }
      if (kind === KIND.seal) {
        messages.push({ have: [], load, seal: this.#seal(bytes.slice(from, at)) });
        continue;
      }
      const have: number[] = [];
      for (let offset = from; offset < at; offset += 4) {
        const block = view.getUint32(offset);
        if (block >= this.#blocks) throw new RangeError(`a neighbour names block ${block}`);
        have.push(block);
      }
      messages.push({ have, load });
    }
    this.#rest = bytes.slice(at);
    return messages;
  }

  #seal(body: Uint8Array): Seal {
    const view = new DataView(body.buffer);
    const first = view.getUint32(0);
    const digests = body.subarray(SEAL);
    if (first + digests.length / DIGEST_BYTES > this.#blocks)
      throw new RangeError(`a neighbour tells of digests past the end, from block ${first} on`);
    return { first, version: view.getUint32(4), signature: body.subarray(8, SEAL), digests };
  }

  #check(kind: number, size: number): void {
    if (!this.#fits(kind, size - LOAD))
      throw new RangeError(`a neighbour's stream has a frame of kind ${kind} and ${size} bytes`);
  }

  #fits(kind: number, size: number): boolean {
    if (kind === KIND.bitmap) return !this.#started && size === (this.#blocks + 7) >>> 3;
    if (!this.#started) return false;
    if (kind === KIND.seal) {
      const digests = size - SEAL;
      return (
        digests > 0 && digests % DIGEST_BYTES === 0 && digests <= MAX_SEAL_BLOCKS * DIGEST_BYTES
      );
    }
    // A neighbour names no block twice, so a longer frame is nonsense, and must not fill the memory.
    return kind === KIND.delta && size >= 0 && size % 4 === 0 && size <= this.#blocks * 4 + 4;
  }
}
