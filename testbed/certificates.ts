import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { der } from './der.ts';

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  certificate: string;
  key: string;
}

const oids = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
};

const authorityName = distinguishedName('testbed');

/** A new self-signed certificate authority. */
export function certificateAuthority(): KeyPair {
  const key = newKey();
  const extensions = [
    extension(oids.basicConstraints, der.sequence(der.boolean(true)), true),
    extension(oids.keyUsage, der.bits(Buffer.of(0b0000_0100), 2), true), // keyCertSign
  ];
  return { certificate: certify(authorityName, key, key, extensions), key: privatePem(key) };
}

/** A serving certificate for loopback, for other IPv4 addresses, and for the name of the API server inside the cluster. */
export function servingCertificate(authority: KeyPair, addresses: string[] = []): KeyPair {
  const names = der.sequence(
    ...['127.0.0.1', ...addresses].map((address) => der.implicit(7, Buffer.from(address.split('.').map(Number)))),
    der.implicit(2, Buffer.from('localhost')),
    der.implicit(2, Buffer.from('kubernetes.default.svc')),
  );
  return issue(authority, distinguishedName('testbed-server'), oids.serverAuth, [extension(oids.subjectAlternativeName, names)]);
}

/** A client certificate. Kubernetes reads the user from the common name and the groups from the organizations. */
export function clientCertificate(authority: KeyPair, user: string, groups: string[] = []): KeyPair {
  return issue(authority, distinguishedName(user, groups), oids.clientAuth, []);
}

/** The keys, PEM, that sign and verify service account tokens. */
export function serviceAccountKeys(): { publicKey: string; privateKey: string } {
  const key = newKey();
  return {
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString(),
    privateKey: privatePem(key),
  };
}

function issue(authority: KeyPair, subject: Buffer, usage: string, extensions: Buffer[]): KeyPair {
  const key = newKey();
  const certificate = certify(subject, key, createPrivateKey(authority.key), [
    extension(oids.keyUsage, der.bits(Buffer.of(0b1000_0000), 7), true), // digitalSignature
    extension(oids.extendedKeyUsage, der.sequence(der.oid(usage))),
    ...extensions,
  ]);
  return { certificate, key: privatePem(key) };
}

/** RFC 5280, section 4.1: a version 3 certificate, PEM. */
function certify(subject: Buffer, key: KeyObject, signer: KeyObject, extensions: Buffer[]): string {
  const algorithm = der.sequence(der.oid(oids.ecdsaWithSha256));
  const day = 24 * 60 * 60 * 1000;
  const toBeSigned = der.sequence(
    der.tagged(0, der.integer(Buffer.of(2))),
    der.integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    authorityName,
    // Valid from yesterday, to allow for clock skew.
    der.sequence(der.time(new Date(Date.now() - day)), der.time(new Date(Date.now() + 365 * day))),
    subject,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der.tagged(3, der.sequence(...extensions)),
  );
  const certificate = der.sequence(toBeSigned, algorithm, der.bits(sign('sha256', toBeSigned, signer)));
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function extension(oid: string, value: Buffer, critical = false): Buffer {
  return der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octets(value));
}

function distinguishedName(commonName: string, organizations: string[] = []): Buffer {
  const attribute = (oid: string, value: string): Buffer => der.set(der.sequence(der.oid(oid), der.text(value)));
  return der.sequence(
    ...organizations.map((organization) => attribute(oids.organization, organization)),
    attribute(oids.commonName, commonName),
  );
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function privatePem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
