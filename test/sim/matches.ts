/** Whether a filter matches a topic name: level by level, as section 4.7 says it, and nothing clever. */
export function matches(filter: string, topic: string): boolean {
  const wanted = filter.split('/');
  const given = topic.split('/');
  if (topic.startsWith('$') && (wanted[0] === '#' || wanted[0] === '+')) return false;
  for (let index = 0; index < wanted.length; index += 1) {
    if (wanted[index] === '#') return true;
    if (index >= given.length) return false;
    if (wanted[index] !== '+' && wanted[index] !== given[index]) return false;
  }
  return wanted.length === given.length;
}
