/**
 * The members of one shared subscription: one share name on one filter.
 *
 * Members stand in a ring in order of joining, and `#next` is where the round goes on. A ring and not an array, because
 * joining, leaving and going on after the picked one are then constant whatever the size of the group; a Map by target
 * is added only for groups beyond a few members.
 *
 *      #next ------.
 *                  v
 *     first <-> second <-> third <-> first ...      a member joins in front of `#first`
 */
import type { DeliveryTarget } from '../model/delivery-target.ts';
import type { Subscription } from '../model/subscription.ts';

/** Groups up to this size are searched member by member. */
const UNINDEXED_MEMBERS_MAX = 8;

class Member {
  subscription: Subscription;
  next: Member = this;
  previous: Member = this;

  constructor(subscription: Subscription) {
    this.subscription = subscription;
  }
}

export class SharedGroup {
  /** The filter text that all its subscriptions have, `$share/name/…`: what tells it from other groups. */
  readonly filterText: string;
  #first: Member | null = null;
  #next: Member | null = null;
  #memberCount = 0;
  #byTarget: Map<DeliveryTarget, Member> | null = null;

  constructor(filterText: string) {
    this.filterText = filterText;
  }

  get isEmpty(): boolean {
    return this.#first === null;
  }

  get memberCount(): number {
    return this.#memberCount;
  }

  /** Takes a member in, or replaces the subscription of one in its place. @returns true when it is a new member. */
  add(subscription: Subscription): boolean {
    const member = this.#find(subscription.target);
    if (member !== null) {
      member.subscription = subscription;
      return false;
    }
    this.#append(new Member(subscription));
    return true;
  }

  has(target: DeliveryTarget): boolean {
    return this.#find(target) !== null;
  }

  /** @returns false when the target is no member. */
  remove(target: DeliveryTarget): boolean {
    const member = this.#find(target);
    if (member === null) return false;
    const after = member.next === member ? null : member.next;
    member.previous.next = member.next;
    member.next.previous = member.previous;
    if (this.#first === member) this.#first = after;
    if (this.#next === member) this.#next = after;
    this.#memberCount -= 1;
    this.#byTarget?.delete(target);
    return true;
  }

  /**
   * The member whose turn it is: the next one online with room; if there is none the next one online; if none is online
   * the next durable one. The round goes on after it. @returns null when nobody can take a message.
   */
  pick(): Subscription | null {
    const start = this.#next;
    if (start === null) return null;
    let online: Member | null = null;
    let offline: Member | null = null;
    let member = start;
    do {
      const { target } = member.subscription;
      if (target.isOnline) {
        if (target.hasRoom) return this.#take(member);
        online ??= member;
      } else if (target.isDurable) offline ??= member;
      member = member.next;
    } while (member !== start);
    return this.#take(online ?? offline);
  }

  /** Like `pick`, but only online members and never `except`: for what a leaving member has not been sent yet. */
  pickOnline(except: DeliveryTarget): Subscription | null {
    const start = this.#next;
    if (start === null) return null;
    let online: Member | null = null;
    let member = start;
    do {
      const { target } = member.subscription;
      if (target !== except && target.isOnline) {
        if (target.hasRoom) return this.#take(member);
        online ??= member;
      }
      member = member.next;
    } while (member !== start);
    return this.#take(online);
  }

  #take(member: Member | null): Subscription | null {
    if (member === null) return null;
    this.#next = member.next;
    return member.subscription;
  }

  #append(member: Member): void {
    const first = this.#first;
    if (first === null) {
      this.#first = member;
      this.#next = member;
    } else {
      member.next = first;
      member.previous = first.previous;
      first.previous.next = member;
      first.previous = member;
    }
    this.#memberCount += 1;
    if (this.#byTarget !== null) this.#byTarget.set(member.subscription.target, member);
    else if (this.#memberCount > UNINDEXED_MEMBERS_MAX) this.#index();
  }

  #index(): void {
    const byTarget = new Map<DeliveryTarget, Member>();
    let member = this.#first;
    for (let left = this.#memberCount; left > 0 && member !== null; left -= 1) {
      byTarget.set(member.subscription.target, member);
      member = member.next;
    }
    this.#byTarget = byTarget;
  }

  #find(target: DeliveryTarget): Member | null {
    if (this.#byTarget !== null) return this.#byTarget.get(target) ?? null;
    let member = this.#first;
    for (let left = this.#memberCount; left > 0 && member !== null; left -= 1) {
      if (member.subscription.target === target) return member;
      member = member.next;
    }
    return null;
  }
}
