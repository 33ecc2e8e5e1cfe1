import { expect, it } from "vitest";
import { hasSecretWord, secretWord, withoutSecretWords } from "./secret_word.ts";

it("has 128 bits, and is another each time", () => {
  const words = new Set(Array.from({ length: 100 }, secretWord));
  expect(words.size).toBe(100);
  for (const word of words) expect(word).toMatch(/^[0-9a-f]{32}$/);
});

it("is found in a name, and taken out of a text", () => {
  const name = `10.0.0.1-${secretWord()}-7-1795513266.665`;
  expect(hasSecretWord(name)).toBe(true);
  expect(hasSecretWord("10.0.0.1-7-1795513266.665")).toBe(false);
  expect(withoutSecretWords(`${name} and ${name}: gone`)).toBe(
    "10.0.0.1-7-1795513266.665 and 10.0.0.1-7-1795513266.665: gone",
  );
});
