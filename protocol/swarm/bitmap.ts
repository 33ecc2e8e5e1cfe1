/**
 * Which blocks of a file somebody holds. In bytes, block `b` is bit `b % 8`, lowest first, of byte
 * `b / 8`; bits past the last block are 0.
 */
export class Bitmap {
  /** How many blocks it tells about. */
  readonly size: number;
  /** Block `b` is bit `b % 32` of word `b / 32`: for those who work on many blocks at once. */
  readonly words: Uint32Array;
  #count = 0;

  constructor(size: number) {
    this.size = size;
    this.words = new Uint32Array((size + 31) >>> 5);
  }

  /**
   * Reads what {@link Bitmap.toBytes} wrote.
   *
   * @throws {RangeError} where the bytes are not those of a bitmap of this size
   */
  static fromBytes(bytes: Uint8Array, size: number): Bitmap {
    if (bytes.length !== (size + 7) >>> 3) {
      throw new RangeError(`a bitmap of ${size} blocks does not take ${bytes.length} bytes`);
    }
    const bitmap = new Bitmap(size);
    const { words } = bitmap;
    for (let index = 0; index < bytes.length; index++) {
      words[index >>> 2]! |= bytes[index]! << ((index & 3) * 8);
    }
    if (size % 32 !== 0 && words[words.length - 1]! >>> (size % 32) !== 0) {
      throw new RangeError(`a bitmap of ${size} blocks names blocks past its end`);
    }
    for (const word of words) bitmap.#count += countBits(word);
    return bitmap;
  }

  /**
   * Reads what {@link Bitmap.toBase64} wrote.
   *
   * @throws {RangeError} where it is not base64, or not of a bitmap of this size
   */
  static fromBase64(text: string, size: number): Bitmap {
    let binary: string;
    try {
      binary = atob(text);
    } catch {
      throw new RangeError("a bitmap in JSON must be base64");
    }
    return Bitmap.fromBytes(
      Uint8Array.from(binary, (character) => character.charCodeAt(0)),
      size,
    );
  }

  /** How many blocks are held. */
  get count(): number {
    return this.#count;
  }

  get complete(): boolean {
    return this.#count === this.size;
  }

  has(block: number): boolean {
    return ((this.words[block >>> 5]! >>> (block & 31)) & 1) === 1;
  }

  /**
   * Notes that a block is held.
   *
   * @returns whether that is new
   * @throws {RangeError} for a block that the file does not have
   */
  add(block: number): boolean {
    if (!(block >= 0 && block < this.size)) throw new RangeError(`no block ${block}`);
    if (this.has(block)) return false;
    this.words[block >>> 5]! |= 1 << (block & 31);
    this.#count += 1;
    return true;
  }

  /** Notes that a block is not held. */
  delete(block: number): boolean {
    if (!(block >= 0 && block < this.size) || !this.has(block)) return false;
    this.words[block >>> 5]! &= ~(1 << (block & 31));
    this.#count -= 1;
    return true;
  }

  /** The blocks held, in order. */
  *[Symbol.iterator](): IterableIterator<number> {
    for (let index = 0; index < this.words.length; index++) {
      let word = this.words[index]!;
      while (word !== 0) {
        yield index * 32 + lowestBit(word);
        word &= word - 1;
      }
    }
  }

  toBytes(): Uint8Array {
    const bytes = new Uint8Array((this.size + 7) >>> 3);
    for (let index = 0; index < bytes.length; index++) {
      bytes[index] = this.words[index >>> 2]! >>> ((index & 3) * 8);
    }
    return bytes;
  }

  toBase64(): string {
    let binary = "";
    for (const byte of this.toBytes()) binary += String.fromCharCode(byte);
    return btoa(binary);
  }
}

/** Position of the lowest 1 of a word that is not 0. */
export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/** How many 1s a word has. */
export function countBits(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
