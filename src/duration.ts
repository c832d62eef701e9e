/** Units of a Go duration, in ms. */
const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 1e-3, µs: 1e-3, μs: 1e-3, ns: 1e-6 };

/**
 * A Go duration (`90s`, `1h30m`, `1.5h`; Go: time.ParseDuration) or seconds (`600`), in ms.
 * Undefined if it is neither, or negative.
 */
export function parseDuration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/g))
    total += Number(amount) * (UNITS[unit ?? ''] ?? Number.NaN);
  return total;
}

/** A duration in milliseconds for people: `850 ms`, `7.4 s`, `2m 05s`, `1h 02m`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3_600)}h ${two(Math.floor((seconds % 3_600) / 60))}m`;
}

/**
 * An age in ms as `kubectl get` shows it: `45s`, `5m3s`, `90m`, `5h20m`, `30h`, `3d4h`, `60d`
 * (apimachinery: duration.HumanDuration).
 */
export function formatAge(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const [minutes, hours, days] = [60, 3_600, 86_400].map((unit) => Math.floor(seconds / unit)) as [number, number, number];
  const years = Math.floor(days / 365);
  const pair = (large: string, small: number, unit: string): string => (small === 0 ? large : `${large}${small}${unit}`);
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return pair(`${minutes}m`, seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return pair(`${hours}h`, minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (hours < 192) return pair(`${days}d`, hours % 24, 'h');
  if (days < 730) return `${days}d`;
  if (days < 2_920) return pair(`${years}y`, days % 365, 'd');
  return `${years}y`;
}
