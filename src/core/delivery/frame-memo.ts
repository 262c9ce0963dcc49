/**
 * The PUBLISH that was encoded last, so that its next receiver gets a copy of the whole frame: a message that goes to many
 * in the same way is encoded twice and copied for the others. Made at the second receiver, since most messages have one.
 */

import { u16At } from '../../protocol/read.ts';
import type { ProtocolVersion, Qos } from '../../protocol/version.ts';
import type { Message } from '../model/message.ts';
import type { MountPoint } from '../model/mount-point.ts';

export class FrameMemo {
  #message: Message | null = null;
  #serial = 0;
  #version: ProtocolVersion = 4;
  #qos: Qos = 0;
  #retain = false;
  #mount: MountPoint | null = null;
  /** The frame of what was `seen` last; null until somebody puts it here. */
  frame: Uint8Array | null = null;

  /** True when this is the message and the way that was asked for last. `mount`: the receiver's, who names topics its way. */
  hasSeen(message: Message, version: ProtocolVersion, qos: Qos, retain: boolean, mount: MountPoint | null): boolean {
    const { serial } = message;
    if (serial === undefined) return false;
    if (
      this.#message === message &&
      this.#serial === serial &&
      this.#version === version &&
      this.#qos === qos &&
      this.#retain === retain &&
      this.#mount === mount
    )
      return true;
    this.#message = message;
    this.#serial = serial;
    this.#version = version;
    this.#qos = qos;
    this.#retain = retain;
    this.#mount = mount;
    this.frame = null;
    return false;
  }
}

/** Where the packet id stands in a PUBLISH of QoS 1 or 2: behind the first byte, the length, and the topic with its own. */
export function packetIdAt(frame: Uint8Array): number {
  let at = 1;
  while ((frame[at] ?? 0) >= 0x80) at += 1;
  return at + 3 + u16At(frame, at + 1);
}
