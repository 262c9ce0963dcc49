/** Topic names and filters as far as a configuration has them. The broker's own rules are protocol/topic. */

const TOPIC_BYTES_MAX = 65_535;
/** As deep as the broker lets a topic be. */
const LEVELS_MAX = 200;

/** True for a topic without wildcards that is not too long. */
export function isTopicName(text: string): boolean {
  return isSound(text) && !/[+#]/.test(text);
}

/** True for a topic whose wildcards, if any, stand for whole levels, and # last. */
export function isTopicFilter(text: string): boolean {
  if (!isSound(text)) return false;
  const levels = text.split('/');
  return levels.every((level, index) => {
    if (level === '+' || (level === '#' && index === levels.length - 1)) return true;
    return !/[+#]/.test(level);
  });
}

function isSound(text: string): boolean {
  if (text === '' || text.length > TOPIC_BYTES_MAX) return false;
  return text.split('/').length <= LEVELS_MAX && new TextEncoder().encode(text).length <= TOPIC_BYTES_MAX;
}
