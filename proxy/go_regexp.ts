/**
 * Compiles a regular expression in Go's syntax (RE2), in which v1's configuration writes `regx`.
 * What the two languages spell differently is translated; what JavaScript lacks is refused rather
 * than silently read as something else.
 *
 * @throws {SyntaxError} that says what is wrong
 */
export function compileGoRegexp(source: string): RegExp {
  const inline = /^\(\?([a-zA-Z]+)\)/.exec(source);
  const flags = inline?.[1] ?? "";
  if (/[^ims]/.test(flags)) throw new SyntaxError(`flags (?${flags}) are not supported`);
  const pattern = source
    .slice(inline?.[0].length ?? 0)
    .replace(/\\(.)|\(\?P</gs, (match, escaped: string | undefined) => {
      if (escaped === undefined) return "(?<";
      return translateEscape(match, escaped);
    });
  if (/\[\[:\^?[a-z]+:\]/.test(pattern)) {
    throw new SyntaxError("POSIX classes such as [[:alpha:]] are not supported");
  }
  return new RegExp(pattern, flags);
}

function translateEscape(match: string, escaped: string): string {
  if (escaped === "A") return "(?<![\\s\\S])";
  if (escaped === "z") return "(?![\\s\\S])";
  if (escaped === "a") return "\\x07";
  // Letters that mean the same in both languages; anything but a letter or digit stands for itself.
  if (/[dDsSwWbBfnrtvx]/.test(escaped) || /[^A-Za-z0-9]/.test(escaped)) return match;
  throw new SyntaxError(`${match} is not supported`);
}
