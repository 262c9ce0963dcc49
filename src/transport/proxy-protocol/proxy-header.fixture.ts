/** PROXY headers of version 2 as proxies send them, good and bad. */

const SIGNATURE = '0d0a0d0a000d0a515549540a';

export interface ProxyV2 {
  /** Version and command; default 0x21: version 2, PROXY. */
  readonly versionAndCommand?: number;
  /** Default 0x11: TCP4. */
  readonly family?: number;
  /** Default: 192.0.2.7:56324 to 192.0.2.1:1883. */
  readonly addresses?: Uint8Array;
  readonly tlvs?: readonly Uint8Array[];
  /** What the header says of its length, when that is not how long it is. */
  readonly length?: number;
}

export const TCP4_ADDRESSES = Buffer.from('c0000207c0000201dc04075b', 'hex');

export function proxyV2(header: ProxyV2 = {}): Buffer {
  const { versionAndCommand = 0x21, family = 0x11, addresses = TCP4_ADDRESSES, tlvs = [] } = header;
  const body = Buffer.concat([addresses, ...tlvs]);
  const head = Buffer.alloc(16);
  head.write(SIGNATURE, 'hex');
  head[12] = versionAndCommand;
  head[13] = family;
  head.writeUInt16BE(header.length ?? body.length, 14);
  return Buffer.concat([head, body]);
}

export function tlv(type: number, value: Uint8Array | string, length?: number): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(3);
  head[0] = type;
  head.writeUInt16BE(length ?? bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

export interface TlsTlv {
  /** Default 0x07: TLS, a certificate in this connection and in this session. */
  readonly flags?: number;
  readonly verify?: number;
  readonly parts?: readonly Uint8Array[];
}

export const TLS_PARTS = [tlv(0x21, 'TLSv1.3'), tlv(0x22, 'robot5'), tlv(0x23, 'TLS_AES_256_GCM_SHA384')];

export function tlsTlv({ flags = 0x07, verify = 0, parts = TLS_PARTS }: TlsTlv = {}): Buffer {
  const fixed = Buffer.alloc(5);
  fixed[0] = flags;
  fixed.writeUInt32BE(verify, 1);
  return tlv(0x20, Buffer.concat([fixed, ...parts]));
}
