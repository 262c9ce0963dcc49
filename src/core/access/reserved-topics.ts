/**
 * Topics that begin with `$` and are not for clients to publish to. All other `$` topics are ordinary ones that a
 * leading wildcard does not match.
 */

const SYS = '$SYS';
const SHARE = '$share';
const CONTROL = '$CONTROL';
const BRIDGE_STATE_PREFIX = '$SYS/broker/connection/';
const BRIDGE_STATE_SUFFIX = '/state';

/** True when no client may publish to `topic`, whatever its rights. */
export function isReservedForPublish(topic: string): boolean {
  if (topic.charCodeAt(0) !== 0x24) return false;
  if (isAtOrBelow(topic, SYS)) return !isBridgeState(topic);
  return isAtOrBelow(topic, SHARE) || isControl(topic);
}

/** `$CONTROL` and below: requests to the broker, never ordinary messages. */
export function isControl(topic: string): boolean {
  return isAtOrBelow(topic, CONTROL);
}

/** `$SYS/broker/connection/NAME/state`: bridges of other brokers announce themselves there. */
function isBridgeState(topic: string): boolean {
  if (!topic.startsWith(BRIDGE_STATE_PREFIX) || !topic.endsWith(BRIDGE_STATE_SUFFIX)) return false;
  const name = topic.slice(BRIDGE_STATE_PREFIX.length, -BRIDGE_STATE_SUFFIX.length);
  return name.length > 0 && !name.includes('/');
}

function isAtOrBelow(topic: string, root: string): boolean {
  return topic.startsWith(root) && (topic.length === root.length || topic.charCodeAt(root.length) === 0x2f);
}
