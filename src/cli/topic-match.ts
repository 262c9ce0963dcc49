import type { TopicFilter } from '../protocol/topic.ts';

/** True when `topic` matches the filter. `[MQTT-4.7.2-1]`: a leading wildcard does not match a topic that begins with $. */
export function matchesFilter(topic: string, { filter }: TopicFilter): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length) return false;
    if (level !== '+' && level !== levels[index]) return false;
  }
  return wanted.length === levels.length;
}
