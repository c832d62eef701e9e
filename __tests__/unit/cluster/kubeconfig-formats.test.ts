/** Where a kubeconfig comes from, in which encodings, and what is too large or endless. kubectl gets the same files in e2e/kubeconfig.test.ts. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ClusterError } from '../../../src/cluster/cluster.ts';
import { connectionFrom } from '../../../src/cluster/kubeconfig.ts';

const directory = mkdtempSync(join(tmpdir(), 'rollback-daemonset-formats-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const YAML = `apiVersion: v1
kind: Config
current-context: prod
contexts:
- name: prod
  context: {cluster: prod, user: prod, namespace: logging}
clusters:
- name: prod
  cluster:
    server: https://prod.example:6443
users:
- name: prod
  user: {token: secret-token}
`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const utf16 = (text: string): Buffer => Buffer.from(`\uFEFF${text}`, 'utf16le');

let sequence = 0;
function put(content: string | Buffer): string {
  const path = join(directory, `config-${sequence++}`);
  writeFileSync(path, content);
  return path;
}

const connect = (source: string, environment: Record<string, string> = {}): ReturnType<typeof connectionFrom> =>
  connectionFrom({ source, context: undefined, plugins: [], environment });

function failure(source: string, environment: Record<string, string> = {}): string {
  try {
    connect(source, environment);
    return 'it did not fail';
  } catch (error) {
    if (error instanceof ClusterError) return error.message;
    throw error;
  }
}

describe('is read:', () => {
  test.each<[string, string, Record<string, string>?]>([
    ['base64 with line breaks', base64(YAML).replace(/(.{76})/g, '$1\n')],
    ['base64 with CRLF', base64(YAML).replace(/(.{64})/g, '$1\r\n')],
    ['base64 of UTF-16', utf16(YAML).toString('base64')],
    ['a file in UTF-8 with a byte order mark', put(`\uFEFF${YAML}`)],
    ['a file in UTF-16', put(utf16(YAML))],
    ['a file in UTF-16, big endian', put(utf16(YAML).swap16())],
    ['a text with a byte order mark', `\uFEFF${YAML}`],
    [
      'JSON with a byte order mark',
      `\uFEFF${JSON.stringify({ clusters: [{ name: 'prod', cluster: { server: 'https://prod.example:6443' } }], contexts: [{ name: 'prod', context: { cluster: 'prod', namespace: 'logging' } }], 'current-context': 'prod' })}`,
    ],
    ['CRLF', YAML.replaceAll('\n', '\r\n')],
    ['the first of two documents', `${YAML}---\n${YAML.replace('prod.example', 'other.example')}`],
    ['the first document, although the second is invalid', `${YAML}---\na: [\n`],
    ['a document after comments', `# a comment\n\n# another\n---\n${YAML}`],
    ['a document with an end', `${YAML}...\n`],
    ['the last of duplicate keys', YAML.replace('    server:', '    server: https://first.example\n    server:')],
    ['a document that is indented', YAML.replace(/^/gm, '    ').trimEnd()],
    ['yes and no', YAML.replace('    server:', '    insecure-skip-tls-verify: no\n    server:')],
    ['an alias', YAML.replace('{token: secret-token}', '&user {token: secret-token}\n- name: other\n  user: *user')],
    ['a merge key', YAML.replace('{token: secret-token}', '&user {token: secret-token}\n- name: other\n  user: {<<: *user}')],
    ['a date as a string', YAML.replace('secret-token', '2024-01-01')],
    ['without apiVersion and kind', YAML.replace(/^(apiVersion|kind).*\n/gm, '')],
  ])('%s', (_name, source) => {
    expect(connect(source)).toMatchObject({ server: 'https://prod.example:6443', namespace: 'logging' });
  });

  // biome-ignore lint/suspicious/noTemplateCurlyInString: as a shell would expand it
  test.each(['~/.kube/config', '$HOME/.kube/config', '${HOME}/.kube/config', ' ~/.kube/config\n'])('%j', (source) => {
    mkdirSync(join(directory, '.kube'), { recursive: true });
    writeFileSync(join(directory, '.kube', 'config'), YAML);
    expect(connect(source, { HOME: directory })).toMatchObject({ server: 'https://prod.example:6443' });
  });
});

describe('is refused, with the reason:', () => {
  test.each<[string, string, RegExp]>([
    ['an invalid line', YAML.replace('  cluster:\n', '\tcluster:\n'), /the kubeconfig text is not valid YAML \(line 9/],
    ['UTF-16 without a byte order mark', put(utf16(YAML).subarray(2)), /config-\d+ (is not valid YAML|is not a kubeconfig)/],
    ['an empty first document', `---\n---\n${YAML}`, /is not a kubeconfig/],
    ['another kind', YAML.replace('kind: Config', 'kind: Pod'), /its apiVersion must be v1, and its kind must be Config/],
    ['another apiVersion', YAML.replace('apiVersion: v1', 'apiVersion: v2'), /its apiVersion must be v1/],
    [
      'two users with one name',
      YAML.replace('users:\n', 'users:\n- name: prod\n  user: {}\n'),
      /"users" .* has two entries with the name "prod"/,
    ],
    [
      'a number as a name',
      YAML.replace('- name: prod\n  user', '- name: 7\n  user'),
      /users\[0\] .* has no name, or its name is not a string/,
    ],
    ['yes as a namespace', YAML.replace('namespace: logging', 'namespace: yes'), /namespace must be a string/],
    [
      'a quoted boolean',
      YAML.replace('    server:', '    insecure-skip-tls-verify: "true"\n    server:'),
      /insecure-skip-tls-verify must be true or false/,
    ],
    ['a directory', directory, /it is a directory/],
    ['a path in a home that is unknown', '~/.kube/config', /the file ~\/\.kube\/config does not exist/],
  ])('%s', (_name, source, message) => {
    expect(failure(source)).toMatch(message);
  });

  test.each<[string, string, RegExp]>([
    ['empty', '', /\$KUBECONFIG is set but empty/],
    ['blank', ' ', /\$KUBECONFIG is set but empty/],
    ['only separators', delimiter, /\$KUBECONFIG is set but empty/],
    [
      'only missing files',
      `/nonexistent/a${delimiter}/nonexistent/b`,
      /\$KUBECONFIG is \/nonexistent\/a, \/nonexistent\/b, which does not exist/,
    ],
    ['the text of a kubeconfig', YAML, /does not look like a list of paths.*pass that as the input kubeconfig/],
    ['base64 of a kubeconfig', base64(YAML), /does not look like a list of paths/],
  ])('$KUBECONFIG that is %s', (_name, KUBECONFIG, message) => {
    mkdirSync(join(directory, '.kube'), { recursive: true });
    writeFileSync(join(directory, '.kube', 'config'), YAML);
    const error = failure('auto', { KUBECONFIG, HOME: directory });
    expect(error).toMatch(message);
    expect(error).not.toMatch(/secret-token|prod\.example|YXBp/);
  });
});

describe('endless and large:', () => {
  const within = (limit: number, act: () => void): void => {
    const began = performance.now();
    act();
    expect(performance.now() - began).toBeLessThan(limit);
  };

  test.each(['/dev/zero', '/dev/stdin', '/dev/null'])('%s is refused', (path) => {
    within(1_000, () => {
      expect(failure(path)).toMatch(/it is not a regular file|does not exist|ENXIO/);
      expect(failure('auto', { KUBECONFIG: path })).toMatch(/it is not a regular file|no kubeconfig was found|ENXIO/);
    });
  });

  test('a named pipe that never answers is refused, also as a file of an entry', () => {
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    within(1_000, () => {
      expect(failure(pipe)).toMatch(/it is not a regular file/);
      for (const user of [`{tokenFile: ${pipe}}`, `{client-key: ${pipe}, client-certificate: ${pipe}}`])
        expect(failure(YAML.replace('{token: secret-token}', user))).toMatch(/pipe \([\w-]+\): it is not a regular file/);
      expect(failure(YAML.replace('    server:', `    certificate-authority: ${pipe}\n    server:`))).toMatch(/it is not a regular file/);
    });
  });

  test('a process substitution is refused', () => {
    // A shell passes it as /dev/fd/N, a pipe.
    const { stdout } = spawnSync(
      'bash',
      [
        '-c',
        `${process.execPath} -e 'const { statSync } = require("fs"); console.log(statSync(process.argv[1]).isFile())' <(cat /dev/null)`,
      ],
      { encoding: 'utf8' },
    );
    expect(stdout.trim()).toBe('false');
  });

  test('a file of more than 10 MiB is refused', () => {
    const path = put('');
    truncateSync(path, 10 * 1024 * 1024 + 1);
    within(1_000, () => expect(failure(path)).toMatch(/it is larger than 10 MiB/));
  });

  const bomb = (levels: number, width: number): string =>
    Array.from(
      { length: levels },
      (_, level) =>
        `x${level}: &x${level} [${Array(width)
          .fill(level === 0 ? 'x' : `*x${level - 1}`)
          .join()}]\n`,
    ).join('');

  test.each<[string, string]>([
    ['aliases of aliases', bomb(9, 10)],
    ['few aliases, doubled', bomb(40, 2)],
    ['an alias of itself', 'x: &x {y: *x}\n'],
  ])('%s are refused at once, wherever they are used', (_name, aliases) => {
    const last = /&(x\d*)[^&]*$/.exec(aliases)?.[1] ?? 'x';
    for (const text of [
      `${aliases}${YAML}`,
      `${aliases}${YAML.replace('cluster: prod, user', `cluster: *${last}, user`)}`,
      `${aliases}${YAML.replace('{token: secret-token}', `{exec: {command: aws, args: *${last}}}`)}`,
      `${aliases}${YAML.replace('    server:', `    extensions: [{name: client.authentication.k8s.io/exec, extension: *${last}}]\n    server:`)}`,
    ])
      within(1_000, () => expect(failure(text)).toMatch(/is not valid YAML|too many values by its YAML aliases/));
  });

  test.each<[string, string]>([
    ['letters', 'x'],
    ['spaces', ' '],
    ['base64', 'QUJD'],
    ['base64 with spaces', 'QUJD '],
    ['lines', 'a\n'],
    ['dashes', '---\n'],
    ['comments', '# x\n'],
    ['begins of a certificate', '-----BEGIN CERTIFICATE-----'],
    ['brackets', '['],
    ['anchors', '&'],
    ['dots', './'],
    ['at signs', '://a@'],
  ])('100 kB of %s take no time, as the input and as a field', (_name, part) => {
    const long = part.repeat(100_000 / part.length);
    within(1_500, () => {
      for (const source of [`x${long}`, `${long}!`, `x${long}\n!`]) failure(source);
      for (const field of ['token', 'tokenFile', 'client-key', 'client-key-data', 'unknown'])
        failure(YAML.replace('{token: secret-token}', JSON.stringify({ [field]: `${long}!` })));
      for (const field of ['certificate-authority', 'certificate-authority-data', 'proxy-url', 'tls-server-name'])
        failure(YAML.replace('    server:', `    ${field}: ${JSON.stringify(long)}\n    server:`));
      failure(YAML.replace('https://prod.example:6443', JSON.stringify(`https://${long}`)));
      failure('auto', { KUBECONFIG: long });
    });
  });
});
