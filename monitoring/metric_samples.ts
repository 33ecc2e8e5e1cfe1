/** One line of Prometheus' text format. */
export interface Sample {
  name: string;
  labels: ReadonlyMap<string, string>;
  value: number;
}

/** Picks samples: by name, and by labels that they must have. */
export interface Selector {
  name: string;
  labels: ReadonlyMap<string, string>;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const SELECTOR = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*"[, ]*)*)\})?$/;
const ESCAPES: Record<string, string> = { n: "\n" };

/** Reads what a program answers at `/metrics`; lines that are no samples are passed over. */
export function parseSamples(text: string): Sample[] {
  return text.split("\n").flatMap((line) => {
    const [, name, labels, value] = LINE.exec(line) ?? [];
    if (name === undefined) return [];
    return [{ name, labels: parseLabels(labels), value: parseValue(value!) }];
  });
}

/**
 * Reads `name` or `name{label="value"}`.
 *
 * @throws {Error} for anything else
 */
export function parseSelector(text: string): Selector {
  const [, name, labels] = SELECTOR.exec(text) ?? [];
  if (name === undefined) {
    throw new Error(`"${text}" is no metric: expected a name, or such as name{label="value"}`);
  }
  return { name, labels: parseLabels(labels) };
}

/** The sum of the samples that a selector picks; `undefined` where there is none. */
export function sumOf(samples: readonly Sample[], selector: Selector): number | undefined {
  const picked = samples.filter(
    ({ name, labels }) =>
      name === selector.name &&
      [...selector.labels].every(([label, value]) => labels.get(label) === value),
  );
  if (picked.length === 0) return undefined;
  return picked.reduce((sum, { value }) => sum + value, 0);
}

function parseLabels(text = ""): Map<string, string> {
  return new Map(
    [...text.matchAll(LABEL)].map(([, name, value]) => [
      name!,
      value!.replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter),
    ]),
  );
}

/** Prometheus writes Go's spelling of what is not finite. */
function parseValue(text: string): number {
  if (/^[+-]?Inf$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  return Number(text);
}
