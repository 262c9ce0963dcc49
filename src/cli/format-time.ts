/** Times as `-F` shows them: ISO 8601, and seconds with a fraction. The fields of strftime are in base. */
import { nanoseconds, twoDigits, zoneOffset } from '../base/strftime.ts';

/** 2026-11-24T07:09:15+0000, in local time. */
export function isoTime(at: Date): string {
  return `${isoSeconds(at)}${zoneOffset(at)}`;
}

/** 2026-11-24T07:09:15.123000+0000, in local time. */
export function isoTimeWithFraction(at: Date): string {
  return `${isoSeconds(at)}.${nanoseconds(at).slice(0, 6)}${zoneOffset(at)}`;
}

/** 1795504156.123000000 */
export function epochTime(at: Date): string {
  return `${Math.floor(at.getTime() / 1000)}.${nanoseconds(at)}`;
}

function isoSeconds(at: Date): string {
  const day = `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())}`;
  return `${day}T${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}:${twoDigits(at.getSeconds())}`;
}
