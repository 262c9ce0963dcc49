/** What the tests of routing share: a matcher written straight from section 4.7, random topics and filters, targets. */
import fc from 'fast-check';
import { parseTopicFilter, parseTopicName, type TopicName } from '../../protocol/topic.ts';
import type { DeliveryTarget } from '../model/delivery-target.ts';
import { NO_BYTES, OwnedMessage } from '../model/message.ts';
import type { Subscription } from '../model/subscription.ts';
import type { Ticket } from '../ports.ts';

/** Section 4.7, sentence by sentence, on whole lists of levels. */
export function naiveMatches(filter: string, topic: string): boolean {
  // 4.7.2: "must not match Topic Filters starting with a wildcard character with Topic Names beginning with a $".
  if (topic.startsWith('$') && (filter.startsWith('#') || filter.startsWith('+'))) return false;
  const filterLevels = filter.split('/');
  const topicLevels = topic.split('/');
  for (const [index, level] of filterLevels.entries()) {
    // 4.7.1.2: `#` "represents the parent and any number of child levels".
    if (level === '#') return true;
    const topicLevel = topicLevels[index];
    if (topicLevel === undefined) return false;
    // 4.7.1.3: `+` "matches only one topic level"; otherwise 4.7.3: byte for byte, no normalisation.
    if (level !== '+' && level !== topicLevel) return false;
  }
  return filterLevels.length === topicLevels.length;
}

/** Few levels, so that they meet often; odd ones, so that what is special elsewhere is seen to be ordinary here. */
const topicLevel = fc.constantFrom('', 'a', 'b', 'B', '$SYS', '__proto__', 'constructor', '(a*)*$', 'ä', ' ');

export const topicText: fc.Arbitrary<string> = fc
  .array(topicLevel, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((text) => text.length > 0);

const filterLevel = fc.oneof({ weight: 3, arbitrary: topicLevel }, { weight: 2, arbitrary: fc.constant('+') });

export const filterText: fc.Arbitrary<string> = fc
  .tuple(fc.array(filterLevel, { maxLength: 5 }), fc.boolean())
  .map(([levels, endsBelow]) => (endsBelow ? [...levels, '#'] : levels).join('/'))
  .filter((text) => text.length > 0);

export const sharedFilterText: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom('g', 'group', '__proto__', '$share'), filterText)
  .map(([name, filter]) => `$share/${name}/${filter}`);

/** Up to `lengthMax` items, long lists as often as short ones (by itself fast-check stays below a dozen). */
export function manyOf<Item>(item: fc.Arbitrary<Item>, lengthMax: number): fc.Arbitrary<Item[]> {
  return fc.array(item, { maxLength: lengthMax, size: 'max' });
}

/** A session as routing sees it; tests set its state. It keeps nothing. */
export class FakeTarget implements DeliveryTarget {
  readonly clientId: string;
  isOnline = true;
  hasRoom = true;
  isDurable = false;

  constructor(clientId: string) {
    this.clientId = clientId;
  }

  offer(): Ticket {
    return 0;
  }
}

export function subscribe(target: DeliveryTarget, text: string, qos: 0 | 1 | 2 = 0): Subscription {
  const filter = parseTopicFilter(text);
  if (filter === null) throw new Error(`not a topic filter: ${text}`);
  return { target, filter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0, identifiers: null };
}

export function nameOf(text: string): TopicName {
  const topic = parseTopicName(text);
  if (topic === null) throw new Error(`not a topic name: ${text}`);
  return topic;
}

export function retained(topicName: string, payload = 'x'): OwnedMessage {
  return new OwnedMessage({
    topic: nameOf(topicName),
    qos: 0,
    retain: true,
    expiresAtMs: Infinity,
    forwardedProperties: NO_BYTES,
    publisherId: '',
    bytes: new TextEncoder().encode(payload),
  });
}
