/** Numbers as a person reads them. */

/** Of a share: "84.3%"; a dash where there is none. */
export function percent(share: number, digits = 1): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(digits)}%` : '–';
}

export function whole(n: number): string {
  return Number.isFinite(n) ? Math.round(n).toLocaleString('en-US') : '–';
}

/** To three digits that count, without a power of ten where that can be. */
export function digits(n: number): string {
  if (!Number.isFinite(n)) return '–';
  const size = Math.abs(n);
  if (size !== 0 && (size < 0.0001 || size >= 1e7))
    return n.toExponential(1).replace('e+', 'e').replace('.0e', 'e');
  return size >= 1000 ? whole(n) : String(Number(n.toPrecision(3)));
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const all = Math.round(seconds);
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor(all / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${all % 60} s` : `${all} s`;
}

/** "2026-11-23 03:12", in the time zone of this machine. */
export function moment(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16).replace('T', ' ');
}
