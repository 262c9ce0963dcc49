/**
 * The mount point of a listener (option `mount_point`): text that stands in front of every topic of its clients. They never
 * see it: it is put before the topics and filters that they send, and taken off the topics that they are sent.
 *
 *      client of the listener     sensor/1   --mountTopic-->    plant/sensor/1     broker, rights, other listeners
 *                                 sensor/1   <--unmountTopic--  plant/sensor/1
 *                        $share/g/sensor/+   --mountFilter-->   $share/g/plant/sensor/+
 *
 * Inside the broker there are full topics only: in rights, in the retained store, in queues, windows and wills. So a session
 * may come back through another listener, and what it is sent then is named as that one names it. A topic that does not
 * lie under the mount point has no name there.
 *
 * A topic that comes again costs a comparison in each direction: what was found is remembered by the number that the memo of
 * topic names gave it (`topicPlace`), and the full topic comes from that memo as well, so that it is the same object
 * whoever publishes to it. Rejected: mounting where the packet is decoded, since the alias of a client stands for the topic
 * as the client named it.
 */
import { copyBytes } from '../../protocol/read.ts';
import {
  parseTopicFilter,
  type TopicFilter,
  TopicLoan,
  type TopicName,
  type TopicNames,
  topicNameFault,
  topicPlace,
} from '../../protocol/topic.ts';
import { TEXT_BYTES_MAX } from '../../protocol/utf8.ts';
import { copyInto } from '../../protocol/write.ts';

/** Topics with a higher number are not remembered: no memo of topic names gives one out. */
const REMEMBERED_MAX = 65_536;
const SCRATCH_BYTES_MIN = 256;

const encoder = new TextEncoder();

/** One for each listener that has a mount point; all its connections share it. `createMountPoint` makes it. */
export class MountPoint {
  /** As in the configuration: nothing is put between it and the topic. */
  readonly prefix: string;
  readonly #prefixBytes: Uint8Array;
  readonly #topics: TopicNames;
  readonly #mounted = new TopicMemo();
  readonly #unmounted = new TopicMemo();
  /** Begins with the prefix. */
  #scratch: Uint8Array;
  /** For what has no number: retained messages and very long topics. */
  readonly #loan = new TopicLoan();

  constructor(prefix: string, topics: TopicNames) {
    this.prefix = prefix;
    this.#topics = topics;
    this.#prefixBytes = encoder.encode(prefix);
    this.#scratch = copyBytes(this.#prefixBytes, 0, this.#prefixBytes.length);
  }

  /** See `mountTopic`. */
  mount(topic: TopicName): TopicName | null {
    const place = topicPlace(topic);
    const known = this.#mounted.find(topic, place);
    if (known !== null) return known;
    const prefixEnd = this.#prefixBytes.length;
    const end = prefixEnd + topic.bytes.length;
    if (end > TEXT_BYTES_MAX) return null;
    this.#reserve(end);
    copyInto(topic.bytes, 0, topic.bytes.length, this.#scratch, prefixEnd);
    if (topicNameFault(this.#scratch, 0, end) !== null) return null;
    const mounted = this.#topics.read(this.#scratch, 0, end);
    this.#mounted.keep(topic, place, mounted);
    return mounted;
  }

  /** See `unmountTopic`. */
  unmount(topic: TopicName): TopicName | null {
    const place = topicPlace(topic);
    const known = this.#unmounted.find(topic, place);
    if (known !== null) return known;
    const { bytes } = topic;
    const start = this.#prefixBytes.length;
    if (!isBelow(bytes, this.#prefixBytes)) return null;
    if (place < 0) {
      this.#loan.lend(bytes, start, bytes.length);
      return this.#loan.name;
    }
    const inner = this.#topics.read(bytes, start, bytes.length);
    this.#unmounted.keep(topic, place, inner);
    return inner;
  }

  #reserve(byteCount: number): void {
    if (byteCount <= this.#scratch.length) return;
    this.#scratch = new Uint8Array(Math.max(SCRATCH_BYTES_MIN, 2 * this.#scratch.length, byteCount));
    this.#scratch.set(this.#prefixBytes);
  }
}

/** `prefix` as in `ListenerSettings.mountPoint`: a checked topic name, or '' = none. `topics`: the memo of the broker. */
export function createMountPoint(prefix: string, topics: TopicNames): MountPoint | null {
  return prefix === '' ? null : new MountPoint(prefix, topics);
}

/**
 * The full name of a topic that a client behind `mount` has named: in PUBLISH, and in the will of its CONNECT. Null: it would
 * have more than 65535 bytes or 200 levels; that is refused with Topic Name Invalid (0x90).
 */
export function mountTopic(mount: MountPoint | null, topic: TopicName): TopicName | null {
  return mount === null ? topic : mount.mount(topic);
}

/**
 * The full filter of a SUBSCRIBE or UNSUBSCRIBE; of a shared one the part behind `$share/name/` is mounted. Null: it would be
 * too long, have too many levels, or a wildcard would not fill its level, because the mount point ends within one: such a
 * subscription is refused with Topic Filter Invalid (0x8F).
 */
export function mountFilter(mount: MountPoint | null, filter: TopicFilter): TopicFilter | null {
  if (mount === null) return filter;
  const share = filter.shareName === null ? '' : `$share/${filter.shareName}/`;
  return parseTopicFilter(`${share}${mount.prefix}${filter.filter}`);
}

/**
 * How a client behind `mount` names a topic. Null: it does not lie below the mount point, so the client must not see it (its
 * session was made through another listener). The name may be lent: it is valid until the next call for this mount point.
 */
export function unmountTopic(mount: MountPoint | null, topic: TopicName): TopicName | null {
  return mount === null ? topic : mount.unmount(topic);
}

interface Remembered {
  readonly from: TopicName;
  readonly to: TopicName;
}

/** By the number of the topic. Bounded as those numbers are; another topic that gets the number takes the place. */
class TopicMemo {
  readonly #entries: (Remembered | null)[] = [];

  find(topic: TopicName, place: number): TopicName | null {
    if (place < 0 || place >= this.#entries.length) return null;
    const entry = this.#entries[place] ?? null;
    return entry !== null && entry.from === topic ? entry.to : null;
  }

  keep(from: TopicName, place: number, to: TopicName): void {
    if (place < 0 || place >= REMEMBERED_MAX) return;
    while (this.#entries.length <= place) this.#entries.push(null);
    this.#entries[place] = { from, to };
  }
}

/** Whether something is left of `bytes` behind the prefix. */
function isBelow(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length <= prefix.length) return false;
  for (let at = 0; at < prefix.length; at += 1) if (bytes[at] !== prefix[at]) return false;
  return true;
}
