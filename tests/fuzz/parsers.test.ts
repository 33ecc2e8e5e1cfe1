import { describe, expect, it } from "vitest";
import { parseSupernode } from "../../peer/mod.ts";
import { blobDigest, parseDigest } from "../../protocol/digest.ts";
import { formatDuration, parseDuration } from "../../protocol/duration.ts";
import { filterUrl, isFilteredFrom, parseFilter } from "../../protocol/filter_url.ts";
import { BadFrameError, frameHead, frameTail, unframe } from "../../protocol/piece_frame.ts";
import { formatRange, parseRange } from "../../protocol/piece_range.ts";
import { parseRate } from "../../protocol/rate.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import { HaveDecoder } from "../../protocol/swarm/have_stream.ts";
import { headersFromWire, headersToWire } from "../../protocol/wire_headers.ts";
import { parseAuthority } from "../../proxy/connect.ts";
import { compileGoRegexp } from "../../proxy/go_regexp.ts";
import { proxyConfigSchema } from "../../proxy/settings.ts";
import { AddressRanges } from "../../runtime/address_ranges.ts";
import { ConfigError } from "../../runtime/config_error.ts";
import { parseConfig } from "../../runtime/config_file.ts";
import { parseContentRange, parseRangeHeader } from "../../runtime/http_range.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import fc from "../support/fast_check.ts";

const text = fc.oneof(fc.string({ unit: "binary" }), fc.string());

/** What looks nearly as it should. */
const nearly = (alphabet: string) =>
  fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 30 });

describe("whatever others send", () => {
  it("is a range within the file, or none", () => {
    const header = fc.oneof(
      text,
      nearly("bytes=0123456789-, ").map((rest) => `bytes=${rest}`),
    );
    fc.assert(
      fc.property(header, fc.nat(), (given, length) => {
        const range = parseRangeHeader(given, length);
        if (range.kind !== "part") return;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.end).toBeLessThan(length);
        expect(range.start).toBeLessThanOrEqual(range.end);
      }),
    );
    fc.assert(fc.property(header, (given) => void parseContentRange(given)));
  });

  it("is a piece's range that reads back as it was written, or none", () => {
    fc.assert(
      fc.property(fc.oneof(text, nearly("0123456789-")), (given) => {
        const range = parseRange(given);
        if (range) expect(parseRange(formatRange(range))).toEqual(range);
      }),
    );
  });

  it("is a framed piece only as it was framed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(1 << 24), (content, pieceSize) => {
        const framed = Buffer.concat([frameHead(content.length, pieceSize), content, frameTail()]);
        expect([...unframe(framed, pieceSize)]).toEqual([...content]);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.nat(1 << 24), (bytes, pieceSize) => {
        try {
          unframe(bytes, pieceSize);
        } catch (error) {
          expect(error).toBeInstanceOf(BadFrameError);
        }
      }),
    );
  });

  it("is a stream of what a neighbour has, or a RangeError", () => {
    const frame = fc
      .tuple(fc.nat(4), fc.uint8Array({ maxLength: 40 }))
      .map(([kind, body]) => Buffer.from([kind, 0, 0, 0, body.length, ...body]));
    fc.assert(
      fc.property(fc.array(fc.oneof(frame, fc.uint8Array())), fc.nat(300), (chunks, blocks) => {
        const decoder = new HaveDecoder(blocks);
        try {
          for (const chunk of chunks) {
            for (const { have } of decoder.push(chunk))
              for (const block of have) expect(block).toBeLessThan(blocks);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });

  it("is a bitmap, or a RangeError", () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.base64String()), fc.nat(300), (given, size) => {
        try {
          const bitmap = Bitmap.fromBase64(given, size);
          expect([...bitmap].length).toBe(bitmap.count);
          expect(bitmap.count).toBeLessThanOrEqual(size);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });

  it("is headers that read back as they were written", () => {
    fc.assert(
      fc.property(fc.array(text), (lines) => {
        const headers = headersFromWire(lines);
        expect(headersFromWire(headersToWire(headers))).toEqual(headers);
      }),
    );
  });

  it("is a host and a port to connect to, or none", () => {
    const authority = fc.oneof(text, nearly("ab.:[]0123456789@/%"));
    fc.assert(
      fc.property(authority, (given) => {
        const target = parseAuthority(given);
        if (!target) return;
        expect(target.port).toBeGreaterThan(0);
        expect(target.port).toBeLessThan(65_536);
        expect(target.host).not.toMatch(/[\s/?#@[\]%]/);
      }),
    );
    fc.assert(fc.property(authority, (given) => void parseSupernode(given)));
  });

  it("is a range of addresses, or a RangeError", () => {
    fc.assert(
      fc.property(fc.oneof(text, nearly("0123456789./:af")), (given) => {
        try {
          new AddressRanges([given]).has("10.0.0.1");
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
    fc.assert(fc.property(text, (given) => !new AddressRanges(["10.0.0.0/8"]).has(`x${given}`)));
  });

  it("is a rate, a duration or a digest, or none", () => {
    const given = fc.oneof(text, nearly("0123456789.hmsuKMGBb"));
    fc.assert(
      fc.property(given, (word) => {
        for (const number of [parseRate(word), parseDuration(word)])
          if (number !== undefined) expect(Number.isNaN(number)).toBe(false);
        const digest = parseDigest(word);
        if (digest) expect(digest.hex).toMatch(/^[0-9a-f]+$/);
      }),
    );
    fc.assert(
      fc.property(fc.nat(1e9), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  it("is a URL that is filtered, shown and looked at without harm", () => {
    const url = fc.oneof(text, fc.webUrl({ withQueryParameters: true, withFragments: true }));
    fc.assert(
      fc.property(url, text, (given, names) => {
        const filtered = filterUrl(given, parseFilter(names));
        expect(isFilteredFrom(filtered, given)).toBe(true);
        blobDigest(given);
        redactUrl(given);
      }),
    );
    const word = fc.string({ unit: fc.constantFrom(..."abcdef"), minLength: 8, maxLength: 12 });
    fc.assert(
      fc.property(word, word, (user, secret) => {
        const shown = redactUrl(`https://${user}:${secret}@host/path?token=${secret}`);
        expect(shown).not.toContain(secret);
      }),
    );
  });

  it("is a pattern, or a SyntaxError", () => {
    fc.assert(
      fc.property(fc.oneof(text, nearly("ab.*+?()[]{}|^$\\dPpi-:<>")), (source) => {
        try {
          compileGoRegexp(source);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }),
    );
  });

  it("is a configuration, or a ConfigError that names the file", () => {
    const yaml = fc.oneof(text, nearly("a: -[]{}&*!|>'\"%@`#\n"), fc.json());
    fc.assert(
      fc.property(yaml, (given) => {
        try {
          parseConfig("some.yml", given, proxyConfigSchema);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect((error as Error).message).toMatch(/^some\.yml/);
        }
      }),
    );
  });
});
