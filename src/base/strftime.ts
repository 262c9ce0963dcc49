/** C's strftime in the C locale and in local time: for the log's time stamps and for what `zanzara sub` prints. */

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
  ['C', (at) => twoDigits(Math.floor(at.getFullYear() / 100))],
  ['d', (at) => twoDigits(at.getDate())],
  ['e', (at) => String(at.getDate()).padStart(2)],
  ['g', (at) => twoDigits(isoWeek(at).year % 100)],
  ['G', (at) => String(isoWeek(at).year)],
  ['H', (at) => twoDigits(at.getHours())],
  ['I', (at) => twoDigits(hour12(at))],
  ['j', (at) => String(dayOfYear(at) + 1).padStart(3, '0')],
  ['k', (at) => String(at.getHours()).padStart(2)],
  ['l', (at) => String(hour12(at)).padStart(2)],
  ['m', (at) => twoDigits(at.getMonth() + 1)],
  ['M', (at) => twoDigits(at.getMinutes())],
  ['n', () => '\n'],
  ['N', (at) => nanoseconds(at)],
  ['p', (at) => (at.getHours() < 12 ? 'AM' : 'PM')],
  ['P', (at) => (at.getHours() < 12 ? 'am' : 'pm')],
  ['s', (at) => String(Math.floor(at.getTime() / 1000))],
  ['S', (at) => twoDigits(at.getSeconds())],
  ['t', () => '\t'],
  ['u', (at) => String(at.getDay() === 0 ? 7 : at.getDay())],
  ['U', (at) => twoDigits(Math.floor((dayOfYear(at) + 7 - at.getDay()) / 7))],
  ['V', (at) => twoDigits(isoWeek(at).week)],
  ['w', (at) => String(at.getDay())],
  ['W', (at) => twoDigits(Math.floor((dayOfYear(at) + 7 - ((at.getDay() + 6) % 7)) / 7))],
  ['y', (at) => twoDigits(at.getFullYear() % 100)],
  ['Y', (at) => String(at.getFullYear())],
  ['z', zoneOffset],
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

/** E and O ask for another calendar or other digits, which the C locale does not have. */
const DIRECTIVE = /%[EO]?([A-Za-z%])/g;

/** What strftime makes of `format`. A directive that it does not know stays as it is, as with glibc. */
export function strftime(format: string): TimeField {
  const parts: TimeField[] = [];
  let end = 0;
  for (const match of format.matchAll(DIRECTIVE)) {
    const [directive, letter = ''] = match;
    const before = format.slice(end, match.index);
    end = match.index + directive.length;
    const field = letter === '%' ? () => '%' : (timeField(letter) ?? (() => directive));
    parts.push(() => before, field);
  }
  const rest = format.slice(end);
  return (at) => parts.map((part) => part(at)).join('') + rest;
}

/** 7 is 07. */
export function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** The fraction of the second: nine digits, of which the clock gives three. */
export function nanoseconds(at: Date): string {
  return `${String(at.getMilliseconds()).padStart(3, '0')}000000`;
}

/** +0100 */
export function zoneOffset(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const absolute = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${twoDigits(Math.floor(absolute / 60))}${twoDigits(absolute % 60)}`;
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

function zoneName(at: Date): string {
  const parts = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(at);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
