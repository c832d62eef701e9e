/** Lines of at most `width` characters, each with a prefix. A longer word has a line of its own. */
export function wrapped(text: string, prefix: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && `${prefix}${last} ${word}`.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => `${prefix}${line}`);
}
