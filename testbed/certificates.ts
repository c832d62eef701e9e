import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  certificate: string;
  key: string;
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 24 * 3_600_000;

const AUTHORITY = nameOf('testbed');

/** A new self-signed certificate authority. */
export function certificateAuthority(): Promise<KeyPair> {
  const key = newKey();
  return certify(AUTHORITY, key, key, [
    new BasicConstraintsExtension(true, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
  ]);
}

/** A serving certificate for loopback, for other IPv4 addresses, and for the name of the API server inside the cluster. */
export function servingCertificate(authority: KeyPair, addresses: string[] = []): Promise<KeyPair> {
  const names = new SubjectAlternativeNameExtension([
    ...['127.0.0.1', ...addresses].map((value) => ({ type: 'ip' as const, value })),
    ...['localhost', 'kubernetes.default.svc'].map((value) => ({ type: 'dns' as const, value })),
  ]);
  return issue(authority, nameOf('testbed-server'), ExtendedKeyUsage.serverAuth, [names]);
}

/** A client certificate. Kubernetes reads the user from the common name and the groups from the organizations. */
export function clientCertificate(authority: KeyPair, user: string, groups: string[] = []): Promise<KeyPair> {
  return issue(authority, nameOf(user, groups), ExtendedKeyUsage.clientAuth, []);
}

/** The keys, PEM, that sign and verify service account tokens. */
export function serviceAccountKeys(): { publicKey: string; privateKey: string } {
  const key = newKey();
  return {
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString(),
    privateKey: pemOf(key),
  };
}

type Name = Record<string, string[]>[];

function nameOf(commonName: string, organizations: string[] = []): Name {
  return [...organizations.map((organization) => ({ O: [organization] })), { CN: [commonName] }];
}

function issue(authority: KeyPair, subject: Name, usage: string, extensions: Extension[]): Promise<KeyPair> {
  return certify(subject, newKey(), createPrivateKey(authority.key), [
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([usage]),
    ...extensions,
  ]);
}

async function certify(subject: Name, key: KeyObject, signer: KeyObject, extensions: Extension[]): Promise<KeyPair> {
  const certificate = await X509CertificateGenerator.create({
    serialNumber: Buffer.concat([Buffer.of(1), randomBytes(15)]).toString('hex'),
    subject,
    issuer: AUTHORITY,
    // Valid from yesterday, to allow for clock skew.
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 365 * DAY_MS),
    signingAlgorithm: ECDSA,
    publicKey: createPublicKey(key).toCryptoKey(ECDSA, true, ['verify']),
    signingKey: signer.toCryptoKey(ECDSA, false, ['sign']),
    extensions,
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: pemOf(key) };
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
