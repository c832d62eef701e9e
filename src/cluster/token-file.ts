import { ClusterError } from './cluster.ts';
import { FileError, readRegularFile } from './files.ts';
import { quotePath } from './quote.ts';
import type { Secrets } from './secrets.ts';

/** In bytes. */
const MAX_BYTES = 1024 * 1024;

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
    let token: string;
    try {
      token = readRegularFile(this.#path, MAX_BYTES).toString('utf8').trim();
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new ClusterError(
        'credentials',
        `Could not read the token file ${quotePath(this.#path)}: ${error.message}. Check the path and its permissions.`,
      );
    }
    if (token === '')
      throw new ClusterError('credentials', `The token file ${quotePath(this.#path)} is empty. Log in again, or check what writes it.`);
    if (/[^\x21-\x7e]/.test(token))
      throw new ClusterError(
        'credentials',
        `The token in the file ${quotePath(this.#path)} contains white space or other invalid characters. Check what writes it.`,
      );
    return token;
  }
}
