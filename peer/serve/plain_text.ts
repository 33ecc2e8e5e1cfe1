/** A line for people, typed as v1 spells it. */
export function plainText(status: number, line: string): Response {
  return new Response(`${line}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8" },
  });
}
