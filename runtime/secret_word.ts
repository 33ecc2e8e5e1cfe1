/** 128 random bits as 32 hexadecimal digits: nobody guesses them. */
export function secretWord(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
}

/** A text as it may stand in a log: without the secret words in the names of clients and files. */
export function withoutSecretWords(text: string): string {
  return text.replace(/-[0-9a-f]{32}(?=-)/g, "");
}

/** Whether a name has a secret word in it. */
export function hasSecretWord(name: string): boolean {
  return /-[0-9a-f]{32}-/.test(name);
}
