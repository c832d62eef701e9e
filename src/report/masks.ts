import { html, oneLine } from './text.ts';

const MASK = '***';
/** A secret that was truncated is still one if this much of it is left, in UTF-16 code units. */
const SHORTEST_PART = 6;

/** The secrets that are known, and text without them. It comes before any escaping, which could change a secret so that it is not found. */
export class Masks {
  /** Each secret in the forms in which text can contain it, the longest first. */
  #forms: string[] = [];

  add(secrets: readonly string[]): void {
    const forms = secrets.flatMap((secret) => [secret, oneLine(secret), html(secret), JSON.stringify(secret).slice(1, -1)]);
    this.#forms = [...new Set([...this.#forms, ...forms])].filter((form) => form !== '').sort((a, b) => b.length - a.length);
  }

  /** The text with every secret replaced, in a line as in a summary or in JSON, and with what is left of one before an ellipsis. */
  hide(text: string): string {
    const hidden = this.#forms.reduce((rest, form) => rest.replaceAll(form, MASK), text);
    if (this.#forms.length === 0 || !hidden.includes('…')) return hidden;
    const parts = hidden.split('…');
    const last = parts.pop() ?? '';
    return [...parts.map((part) => this.#withoutPart(part)), last].join('…');
  }

  /** The text without the first characters of a secret at its end. */
  #withoutPart(text: string): string {
    for (const form of this.#forms) {
      const start = text.slice(-form.length).lastIndexOf(form.slice(0, SHORTEST_PART));
      if (form.length < SHORTEST_PART || start === -1) continue;
      const part = text.slice(-form.length).slice(start);
      if (form.startsWith(part)) return `${text.slice(0, -part.length)}${MASK}`;
    }
    return text;
  }
}
