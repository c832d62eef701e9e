import { readFileSync } from 'node:fs';
import { ClusterError } from './cluster.ts';
import type { Secrets } from './secrets.ts';

/**
 * Authenticates with a bearer token from a file, as an authenticator of the client library. The file is read for each request, because
 * tokens rotate. White space around the token is removed (client-go: cachingTokenSource); the library's own authenticator would send it.
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
      throw new ClusterError('credentials', `Could not read the token file ${this.#path} (${code}). Check the path and its permissions.`, {
        cause,
      });
    }
    throw new ClusterError('credentials', `The token file ${this.#path} is empty. Log in again, or check what writes it.`);
  }
}
