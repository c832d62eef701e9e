/** The few ASN.1 types, in DER encoding, that a certificate consists of. */
export const der = {
  sequence: (...parts: Buffer[]): Buffer => encode(0x30, ...parts),
  set: (...parts: Buffer[]): Buffer => encode(0x31, ...parts),
  boolean: (value: boolean): Buffer => encode(0x01, Buffer.of(value ? 0xff : 0)),
  octets: (content: Buffer): Buffer => encode(0x04, content),
  bits: (content: Buffer, unused = 0): Buffer => encode(0x03, Buffer.of(unused), content),
  text: (value: string): Buffer => encode(0x0c, Buffer.from(value)),
  /** `[tag]`, constructed: explicit tagging. */
  tagged: (tag: number, content: Buffer): Buffer => encode(0xa0 | tag, content),
  /** `[tag]`, primitive: implicit tagging. */
  implicit: (tag: number, content: Buffer): Buffer => encode(0x80 | tag, content),

  /** A positive integer, given as its bytes. */
  integer(bytes: Buffer): Buffer {
    const negative = (bytes[0] ?? 0) & 0x80;
    return encode(0x02, negative ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
  },

  /** An object identifier such as `2.5.4.3`. */
  oid(dotted: string): Buffer {
    const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
    return encode(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
  },

  /** A point in time, to the second. */
  time(date: Date): Buffer {
    const digits = date.toISOString().replace(/\.\d+|[-:T]/g, '');
    // RFC 5280: years before 2050 have two digits.
    return date.getUTCFullYear() < 2050 ? encode(0x17, Buffer.from(digits.slice(2))) : encode(0x18, Buffer.from(digits));
  },
};

function encode(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), length(content.length), content]);
}

function length(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.of(bytes);
  const digits = [];
  for (let rest = bytes; rest > 0; rest >>= 8) digits.unshift(rest & 0xff);
  return Buffer.of(0x80 | digits.length, ...digits);
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let rest = value >> 7; rest > 0; rest >>= 7) digits.unshift(0x80 | (rest & 0x7f));
  return digits;
}
