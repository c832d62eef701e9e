import { ClusterError } from './cluster.ts';

/** Shorter values are not masked: masking "admin" would make the log unreadable. */
const SHORTEST = 6;

/** The secrets that must never be printed. Some become known only later: a plugin's token, a rotated token file. */
export class Secrets {
  readonly #forms = new Set<string>();
  readonly #masked = new Set<string>();
  #index: FormIndex | undefined;
  #onNew: (forms: string[]) => void = () => {};

  /**
   * Adds secrets, in all the forms in which they can occur.
   *
   * @param mask whether subscribers get them. A kubeconfig can have hundreds of users, and a runner checks each line for each mask.
   */
  add(leaves: readonly string[], { mask = true }: { mask?: boolean } = {}): void {
    const forms = masksFor(leaves);
    for (const form of forms) {
      if (this.#forms.has(form)) continue;
      this.#forms.add(form);
      this.#index = undefined;
    }
    const fresh = mask ? forms.filter((form) => !this.#masked.has(form)) : [];
    for (const form of fresh) this.#masked.add(form);
    if (fresh.length > 0) this.#onNew(fresh);
  }

  /** Passes every form to a callback that masks it: the known ones immediately, later ones when they are added. */
  subscribe(onNew: (forms: string[]) => void): void {
    this.#onNew = onNew;
    if (this.#masked.size > 0) onNew([...this.#masked]);
  }

  /** The text with all secrets replaced. An API server or a plugin can echo what it was given. Hide before truncating. */
  hide(text: string): string {
    if (this.#forms.size === 0) return text;
    this.#index ??= new FormIndex(this.#forms);
    let hidden = '';
    let end = 0;
    for (let at = 0; at <= text.length - SHORTEST; at++) {
      const length = this.#index.longestAt(text, at);
      if (length === 0) continue;
      // Forms can overlap: what any of them covers is hidden.
      if (at >= end) hidden += `${text.slice(end, at)}***`;
      end = Math.max(end, at + length);
    }
    return hidden + text.slice(end);
  }

  /**
   * The end of a text, with all secrets replaced.
   *
   * @param isCut whether the text is itself the end of a longer one. It can begin with a part of a secret then, which is dropped.
   */
  hideEnd(text: string, maxLength: number, isCut: boolean): string {
    const longest = isCut ? [...this.#forms].reduce((most, { length }) => Math.max(most, length), 0) : 0;
    const hidden = this.hide(text);
    return hidden.slice(Math.max(longest, hidden.length - maxLength));
  }

  /** The error without secrets in its message, and without its cause. */
  cleaned<T>(error: T): T {
    if (error instanceof ClusterError) {
      error.message = this.hide(error.message);
      error.cause = undefined;
      if (error.status) error.status.message = this.hide(error.status.message);
    }
    return error;
  }
}

/** Finds the longest of many texts at a position, by binary search. */
class FormIndex {
  readonly #sorted: string[];
  /** For each text, the index of the longest other text that it starts with; -1 if there is none. */
  readonly #prefixes: number[] = [];
  readonly #starts: Set<string>;

  constructor(forms: Iterable<string>) {
    this.#sorted = [...forms].sort();
    this.#starts = new Set(this.#sorted.map((form) => form.slice(0, SHORTEST)));
    for (const [index, form] of this.#sorted.entries()) {
      let prefix = index - 1;
      while (prefix >= 0 && !form.startsWith(this.#sorted[prefix] ?? '')) prefix = this.#prefixes[prefix] ?? -1;
      this.#prefixes.push(prefix);
    }
  }

  /** The length of the longest form at a position of a text; 0 if there is none. */
  longestAt(text: string, at: number): number {
    if (!this.#starts.has(text.slice(at, at + SHORTEST))) return 0;
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const form = this.#sorted[middle] ?? '';
      if (form <= text.slice(at, at + form.length)) low = middle + 1;
      else high = middle;
    }
    // The last form that is not greater. Every form that the text starts with is this one, or a prefix of it.
    let index = low - 1;
    while (index >= 0 && !text.startsWith(this.#sorted[index] ?? '', at)) index = this.#prefixes[index] ?? -1;
    return index < 0 ? 0 : (this.#sorted[index] ?? '').length;
  }
}

/**
 * All forms of secrets to mask: the values, their base64, their base64-decoded content, and how URLs and JSON escape them; each at least
 * 6 characters long. The runner masks line by line, so a PEM is split into lines.
 */
export function masksFor(leaves: readonly string[]): string[] {
  const forms = leaves.flatMap((leaf) => {
    const lines = [leaf, ...linesOf(leaf), ...linesOf(contentOfBase64(leaf))].map((line) => line.trim());
    const parts = [...new Set(lines)].filter((part) => part.length >= SHORTEST);
    const encoded = [leaf, leaf.trim()].map((text) => Buffer.from(text).toString('base64'));
    return [...parts, ...parts.flatMap(escapes), ...encoded, ...encoded.map((text) => text.replace(/={1,2}$/, ''))];
  });
  return [...new Set(forms)].filter((form) => form.length >= SHORTEST && !/[\r\n]/.test(form));
}

/** A text as URLs and JSON contain it. Go also escapes `&`, `<` and `>` in JSON. */
function escapes(text: string): string[] {
  const json = JSON.stringify(text).slice(1, -1);
  const go = json.replace(/[&<>]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
  return [encodeURIComponent(text.toWellFormed()), json, go];
}

/** What base64 contains, if it is text. */
function contentOfBase64(text: string): string {
  const compact = text.replace(/\s+/g, '');
  const content = /^[A-Za-z0-9+/]+={0,2}$/.test(compact) ? Buffer.from(compact, 'base64').toString('utf8') : '';
  return /^[\t\n\r\x20-\x7e]*$/.test(content) ? content : '';
}

/** The lines of a text, without PEM headers and footers, which are not secret. */
function linesOf(value: string): string[] {
  return value.split(/\r?\n|\r/).filter((line) => !line.trim().startsWith('-----'));
}
