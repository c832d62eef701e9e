/** Makes the pictures of a terminal small: they have few colors (PNG, third edition). */
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Enough for letters in a few colors, whose edges are blended with the background. */
const MOST_COLORS = 24;

/**
 * The same picture with a palette. Rare colors become those that are nearest to them.
 *
 * @param png of 8 bits for each channel, not interlaced, as a browser writes it. @throws if it is another kind.
 */
export function withPalette(png: Uint8Array): Buffer {
  const { width, height, channels, pixels } = decode(Buffer.from(png));
  return encode(width, height, indexed(pixels, channels));
}

interface Pixels {
  width: number;
  height: number;
  /** 3, or 4 with an opacity, which is ignored. */
  channels: number;
  pixels: Buffer;
}

function chunksOf(png: Buffer): { type: string; data: Buffer }[] {
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = png.readUInt32BE(at);
    chunks.push({ type: png.toString('latin1', at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

function decode(png: Buffer): Pixels {
  const chunks = chunksOf(png);
  const header = chunks[0]?.data ?? Buffer.alloc(13);
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const channels = { 2: 3, 6: 4 }[header[9] ?? 0];
  if (header[8] !== 8 || channels === undefined || header[12] !== 0) throw new Error('not a picture of a browser');
  const raw = inflateSync(Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data)));
  const stride = width * channels;
  const pixels = Buffer.alloc(stride * height);
  for (let row = 0; row < height; row++) {
    const filter = raw[row * (stride + 1)] ?? 0;
    for (let column = 0; column < stride; column++) {
      const at = row * stride + column;
      const left = column < channels ? 0 : (pixels[at - channels] ?? 0);
      const above = row === 0 ? 0 : (pixels[at - stride] ?? 0);
      const corner = row === 0 || column < channels ? 0 : (pixels[at - stride - channels] ?? 0);
      pixels[at] = (raw[row * (stride + 1) + 1 + column] ?? 0) + predicted(filter, left, above, corner);
    }
  }
  return { width, height, channels, pixels };
}

/** What a filter adds to a byte (9.2). */
function predicted(filter: number, left: number, above: number, corner: number): number {
  if (filter === 1) return left;
  if (filter === 2) return above;
  if (filter === 3) return (left + above) >> 1;
  if (filter !== 4) return 0;
  const [toLeft, toAbove, toCorner] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

/** A palette of the most frequent colors, and for each pixel the index of the one that is nearest to it. */
function indexed(pixels: Buffer, channels: number): { palette: Buffer; indexes: Buffer } {
  const count = pixels.length / channels;
  const colorAt = (pixel: number): number => pixels.readUIntBE(pixel * channels, 3);
  const counts = new Map<number, number>();
  for (let pixel = 0; pixel < count; pixel++) counts.set(colorAt(pixel), (counts.get(colorAt(pixel)) ?? 0) + 1);
  const ordered = [...counts].sort((a, b) => b[1] - a[1]).map(([color]) => color);
  const kept = ordered.slice(0, MOST_COLORS);
  const nearest = new Map(
    ordered.map((color) => [color, kept.indexOf(kept.reduce((a, b) => (distance(b, color) < distance(a, color) ? b : a)))]),
  );
  const indexes = Buffer.alloc(count);
  for (let pixel = 0; pixel < count; pixel++) indexes[pixel] = nearest.get(colorAt(pixel)) ?? 0;
  const palette = Buffer.alloc(kept.length * 3);
  for (const [index, color] of kept.entries()) palette.writeUIntBE(color, index * 3, 3);
  return { palette, indexes };
}

function distance(a: number, b: number): number {
  return [16, 8, 0].reduce((sum, shift) => sum + (((a >> shift) & 255) - ((b >> shift) & 255)) ** 2, 0);
}

function encode(width: number, height: number, { palette, indexes }: { palette: Buffer; indexes: Buffer }): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 3, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const rows = Array.from({ length: height }, (_, row) => Buffer.concat([Buffer.of(0), indexes.subarray(row * width, (row + 1) * width)]));
  const data = deflateSync(Buffer.concat(rows), { level: 9, memLevel: 9 });
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('PLTE', palette), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const content = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(content));
  return Buffer.concat([length, content, check]);
}
