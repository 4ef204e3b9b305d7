/** Numbers, times and names formatted for people; a dash for a missing number. */

/** Control characters (C0, C1) and bidirectional overrides, with which a name could manipulate the terminal. */
const CONTROLS = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** Makes a line safe for a terminal if it contains names from outside. */
export function printable(line: string): string {
  return line.replace(CONTROLS, '\ufffd');
}

export function percent(share: number, decimals = 1): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(decimals)}%` : '–';
}

export function count(n: number): string {
  // toLocaleString takes 50 ms the first time.
  return Number.isFinite(n) ? String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',') : '–';
}

/** Three significant digits, without an exponent unless very small or large. */
export function digits(n: number): string {
  if (!Number.isFinite(n)) return '–';
  const size = Math.abs(n);
  if (size !== 0 && (size < 0.0001 || size >= 1e7))
    return n.toExponential(1).replace('e+', 'e').replace('.0e', 'e');
  return size >= 1000 ? count(n) : String(Number(n.toPrecision(3)));
}

/** "2026-11-23 03:12", in local time. */
export function moment(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16).replace('T', ' ');
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/** Formats bytes: "0.3 MB", "4.2 GB". */
export function megabytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e7 ? `${count(bytes / 1e6)} MB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Quotes a word for a shell if necessary. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
