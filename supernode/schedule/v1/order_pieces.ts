/** A piece a client lacks, and how many others hold it or are about to. */
export interface Candidate {
  piece: number;
  holders: number;
}

/**
 * Which pieces a client should fetch first: those with the fewest holders, then those nearest to the
 * mean of its running pieces (the start of the file while nothing runs), ties at random (protocol §3).
 *
 * @param random uniform in [0, 1)
 */
export function orderPieces(
  candidates: readonly Candidate[],
  running: Iterable<number>,
  random: () => number,
): number[] {
  let sum = 0;
  let count = 0;
  for (const piece of running) {
    sum += piece;
    count += 1;
  }
  const mean = count > 0 ? sum / count : 0;
  return candidates
    .map(({ piece, holders }) => ({
      piece,
      holders,
      distance: Math.abs(piece - mean),
      tie: random(),
    }))
    .sort((a, b) => a.holders - b.holders || a.distance - b.distance || a.tie - b.tie)
    .map(({ piece }) => piece);
}
