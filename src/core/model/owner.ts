/**
 * The user name of a session that was taken over from a broker that did not keep user names. No client has it: U+0000 is
 * malformed in MQTT. Whoever connects first with the client id of such a session takes it over, and it is theirs from then
 * on; until then its messages wait whatever the rules say, and are judged when they are handed out.
 */
export const UNKNOWN_OWNER = '\0';

interface Owner {
  readonly userName: string | null;
}

/** Whether what belongs to `owner` is for this client, which has come with the same client id. */
export function isOwnedBy(owner: Owner, client: Owner): boolean {
  return owner.userName === client.userName || owner.userName === UNKNOWN_OWNER;
}
