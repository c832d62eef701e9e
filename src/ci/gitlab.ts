import { Plain } from './plain.ts';

/** A plain log, with groups as collapsed sections (docs.gitlab.com: "CI/CD job logs", custom collapsible sections). */
export class GitLab extends Plain {
  #sections = 0;

  protected override printGroup(title: string, lines: string[]): void {
    this.#sections += 1;
    const name = `rollback_daemonset_${process.pid}_${this.#sections}`;
    const marker = (kind: string, options = ''): string =>
      `\u001b[0Ksection_${kind}:${Math.floor(Date.now() / 1_000)}:${name}${options}\r\u001b[0K`;
    this.printLine(`${marker('start', '[collapsed=true]')}${title}`);
    for (const line of lines) this.printLine(line);
    this.printLine(marker('end'));
  }
}
