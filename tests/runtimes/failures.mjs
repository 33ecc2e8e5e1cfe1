import { relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
/** Lines of what a test said; the rest is where it was thrown. */
const LINES = 6;

/**
 * What failed by a report of vitest's: for each test its file, its name, and the first lines of what it said. Printed last,
 * so that they are found where of a long output only the end is kept.
 *
 * @param {{ testResults?: { name: string, status: string, message?: string, assertionResults: object[] }[] } | undefined} report
 * @returns {string[]} a text for each failure
 */
export function failuresIn(report) {
  return (report?.testResults ?? []).flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(ROOT, name);
    const failed = assertionResults.filter((test) => test.status === "failed");
    // A file that cannot even be loaded, or whose hooks fail, fails without a test of its own.
    if (failed.length === 0) return status === "failed" ? [said(file, message)] : [];
    return failed.map((test) =>
      said(`${file}: ${test.fullName}`, test.failureMessages?.join("\n")),
    );
  });
}

/**
 * What passed at its second try only, as {@link failuresIn} tells failures: a test of a busy machine's figures, or one that is
 * not steady. Said after a run, for it is to be looked at.
 *
 * @param {Parameters<typeof failuresIn>[0]} report
 * @returns {string[]} a text for each test
 */
export function secondTriesIn(report) {
  return (report?.testResults ?? []).flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status, failureMessages }) => status === "passed" && failureMessages?.length > 0)
      .map((test) =>
        said(`${relative(ROOT, name)}: ${test.fullName}`, test.failureMessages.join("\n")),
      ),
  );
}

function said(what, message) {
  const lines = (message ?? "").split("\n").filter((line) => line.trim() !== "");
  return [what, ...lines.slice(0, LINES).map((line) => `    ${line.trim()}`)].join("\n");
}
