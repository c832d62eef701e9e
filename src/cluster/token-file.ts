import { readFileSync } from 'node:fs';
import { ClusterError } from './cluster.ts';
import type { Secrets } from './secrets.ts';

/**
 * A bearer token in a file, as an authenticator of the client library. It is read for each request, because it rotates; white space
 * around it is not part of it (client-go: cachingTokenSource). The library's own sends a line break along.
 */
export class TokenFile {
  static readonly PROVIDER = 'token-file';
  readonly #path: string;
  readonly #secrets: Secrets;

  constructor(path: string, secrets: Secrets) {
    this.#path = path;
    this.#secrets = secrets;
  }

  isAuthProvider(user: { authProvider?: { name?: string } }): boolean {
    return user.authProvider?.name === TokenFile.PROVIDER;
  }

  async applyAuthentication(_user: unknown, options: { headers?: Record<string, unknown> }): Promise<void> {
    const token = this.#read();
    this.#secrets.add([token]);
    options.headers = { ...options.headers, Authorization: `Bearer ${token}` };
  }

  #read(): string {
    try {
      const token = readFileSync(this.#path, 'utf8').trim();
      if (token !== '') return token;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new ClusterError('credentials', `The token file ${this.#path} cannot be read (${code}).`, { cause });
    }
    throw new ClusterError('credentials', `The token file ${this.#path} is empty.`);
  }
}
