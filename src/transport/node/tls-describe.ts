/** How a certificate is shown in the log. */
import type { X509Certificate } from 'node:crypto';
import { readCertificate } from './tls-certificate.ts';
import { formatName } from './tls-names.ts';

/** Characters of a name that are shown. */
const NAME_SHOWN_MAX = 200;

/** A certificate for the log: `subject CN=a,O=b, issuer CN=c, serial 1F, valid from 2026-01-01 00:00:00Z to ...`. */
export function describeCertificate(certificate: X509Certificate): string {
  const { subject, issuer } = shownNames(certificate);
  const dates = `valid from ${showTime(certificate.validFromDate)} to ${showTime(certificate.validToDate)}`;
  return `subject ${subject}, issuer ${issuer}, serial ${certificate.serialNumber}, ${dates}`;
}

function shownNames(certificate: X509Certificate): { subject: string; issuer: string } {
  try {
    const { subject, issuer } = readCertificate(certificate.raw);
    return { subject: showName(formatName(subject)), issuer: showName(formatName(issuer)) };
  } catch {
    return { subject: showName(null), issuer: showName(null) };
  }
}

/** The subject of a certificate for a message. */
export function showSubject(certificate: X509Certificate): string {
  return shownNames(certificate).subject;
}

function showName(name: string | null): string {
  if (name === null) return '(empty or unreadable)';
  return name.length > NAME_SHOWN_MAX ? `${name.slice(0, NAME_SHOWN_MAX)}...` : name;
}

/** Seconds and UTC: `2026-01-01 00:00:00Z`. */
export function showTime(at: Date): string {
  return Number.isNaN(at.getTime())
    ? '(no date)'
    : at
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z');
}
