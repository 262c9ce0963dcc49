/** Times as `-F` shows them: ISO 8601, seconds with a fraction, and the fields of strftime in the C locale. */

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November'],
  'December',
];
const DAY_MS = 86_400_000;

/** Shows one field of a moment. */
export type TimeField = (at: Date) => string;

const FIELDS: ReadonlyMap<string, TimeField> = new Map<string, TimeField>([
  ['a', (at) => (DAYS[at.getDay()] ?? '').slice(0, 3)],
  ['A', (at) => DAYS[at.getDay()] ?? ''],
  ['b', (at) => (MONTHS[at.getMonth()] ?? '').slice(0, 3)],
  ['h', (at) => (MONTHS[at.getMonth()] ?? '').slice(0, 3)],
  ['B', (at) => MONTHS[at.getMonth()] ?? ''],
  ['C', (at) => two(Math.floor(at.getFullYear() / 100))],
  ['d', (at) => two(at.getDate())],
  ['e', (at) => String(at.getDate()).padStart(2)],
  ['g', (at) => two(isoWeek(at).year % 100)],
  ['G', (at) => String(isoWeek(at).year)],
  ['H', (at) => two(at.getHours())],
  ['I', (at) => two(hour12(at))],
  ['j', (at) => String(dayOfYear(at) + 1).padStart(3, '0')],
  ['k', (at) => String(at.getHours()).padStart(2)],
  ['l', (at) => String(hour12(at)).padStart(2)],
  ['m', (at) => two(at.getMonth() + 1)],
  ['M', (at) => two(at.getMinutes())],
  ['n', () => '\n'],
  ['N', (at) => nanoseconds(at)],
  ['p', (at) => (at.getHours() < 12 ? 'AM' : 'PM')],
  ['P', (at) => (at.getHours() < 12 ? 'am' : 'pm')],
  ['s', (at) => String(Math.floor(at.getTime() / 1000))],
  ['S', (at) => two(at.getSeconds())],
  ['t', () => '\t'],
  ['u', (at) => String(at.getDay() === 0 ? 7 : at.getDay())],
  ['U', (at) => two(Math.floor((dayOfYear(at) + 7 - at.getDay()) / 7))],
  ['V', (at) => two(isoWeek(at).week)],
  ['w', (at) => String(at.getDay())],
  ['W', (at) => two(Math.floor((dayOfYear(at) + 7 - ((at.getDay() + 6) % 7)) / 7))],
  ['y', (at) => two(at.getFullYear() % 100)],
  ['Y', (at) => String(at.getFullYear())],
  ['z', zone],
  ['Z', zoneName],
]);

/** Fields that stand for several. */
const COMPOSED: ReadonlyMap<string, string> = new Map([
  ['c', 'a b e H:M:S Y'],
  ['D', 'm/d/y'],
  ['F', 'Y-m-d'],
  ['r', 'I:M:S p'],
  ['R', 'H:M'],
  ['T', 'H:M:S'],
  ['x', 'm/d/y'],
  ['X', 'H:M:S'],
]);

/** The field that strftime has for `letter`, and N for nanoseconds; null when there is none. */
export function timeField(letter: string): TimeField | null {
  const pattern = COMPOSED.get(letter);
  if (pattern === undefined) return FIELDS.get(letter) ?? null;
  return (at) => [...pattern].map((part) => FIELDS.get(part)?.(at) ?? part).join('');
}

/** 2026-11-24T07:09:15+0000, in local time. */
export function isoTime(at: Date): string {
  return `${isoSeconds(at)}${zone(at)}`;
}

/** 2026-11-24T07:09:15.123000+0000, in local time. */
export function isoTimeWithFraction(at: Date): string {
  return `${isoSeconds(at)}.${nanoseconds(at).slice(0, 6)}${zone(at)}`;
}

/** 1795504156.123000000 */
export function epochTime(at: Date): string {
  return `${Math.floor(at.getTime() / 1000)}.${nanoseconds(at)}`;
}

function isoSeconds(at: Date): string {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function nanoseconds(at: Date): string {
  return `${String(at.getMilliseconds()).padStart(3, '0')}000000`;
}

function hour12(at: Date): number {
  return at.getHours() % 12 === 0 ? 12 : at.getHours() % 12;
}

/** Days since 1 January; counted in UTC, so that summer time does not shorten a day. */
function dayOfYear(at: Date): number {
  const day = Date.UTC(at.getFullYear(), at.getMonth(), at.getDate());
  return Math.round((day - Date.UTC(at.getFullYear(), 0, 1)) / DAY_MS);
}

/** The week of ISO 8601: it belongs to the year that has its Thursday. */
function isoWeek(at: Date): { readonly year: number; readonly week: number } {
  const thursday = new Date(Date.UTC(at.getFullYear(), at.getMonth(), at.getDate() + 4 - (at.getDay() || 7)));
  const year = thursday.getUTCFullYear();
  return { year, week: 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS)) };
}

function zone(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const absolute = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(absolute / 60))}${two(absolute % 60)}`;
}

function zoneName(at: Date): string {
  const parts = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(at);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
