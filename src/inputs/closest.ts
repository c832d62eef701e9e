/** The candidate that a text is most likely a mistyped form of; undefined if none is close. */
export function closestTo<T extends string>(text: string, candidates: readonly T[]): T | undefined {
  const ranked = candidates.map((candidate) => ({ candidate, edits: editsBetween(text.toLowerCase(), candidate) }));
  const [best] = ranked.sort((a, b) => a.edits - b.edits);
  return best && best.edits <= Math.max(1, Math.floor(best.candidate.length / 3)) ? best.candidate : undefined;
}

/** The Levenshtein distance: insertions, deletions and replacements of a character. */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, character] of [...from].entries()) {
    const next = [index + 1];
    for (let at = 1; at <= to.length; at++) {
      const [above = 0, left = 0, before = 0] = [row[at], next[at - 1], row[at - 1]];
      next.push(Math.min(above + 1, left + 1, before + (to[at - 1] === character ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
