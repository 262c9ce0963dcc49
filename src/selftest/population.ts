/** All clients of a campaign, and what they do together. */
import type { ProtocolVersion } from '../protocol/version.ts';
import type { Chance } from './chance.ts';
import type { Ledgers } from './ledger/ledgers.ts';
import type { Line } from './line.ts';
import { Nomad } from './nomad.ts';
import { numberOf } from './payloads.ts';
import { Prober } from './prober.ts';
import { Publisher } from './publisher.ts';
import { Receiver, type ReceiverOptions } from './receiver.ts';
import { readRetained } from './retained-reader.ts';
import { RETAINED_FILTER, STREAM_FILTER, Stock } from './stock.ts';
import { lifeOf, WILL_FILTER, WillClients, type WillScene } from './will-clients.ts';
import type { ReceivedPublish } from './wire.ts';

const PUBLISHERS: readonly {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  readonly hasSession: boolean;
  readonly window: number;
}[] = [
  { clientId: 'publisher-v4', version: 4, hasSession: true, window: 12 },
  { clientId: 'publisher-v5', version: 5, hasSession: true, window: 12 },
  { clientId: 'publisher-one-by-one', version: 5, hasSession: true, window: 1 },
  { clientId: 'publisher-without-session', version: 4, hasSession: false, window: 6 },
];

const RECEIVERS: readonly Omit<ReceiverOptions, 'filter'>[] = [
  { clientId: 'online-v5', version: 5, habit: 'online', qos: 2 },
  { clientId: 'online-v4', version: 4, habit: 'online', qos: 1 },
  { clientId: 'slow-v5', version: 5, habit: 'slow', qos: 2 },
  { clientId: 'slow-v4', version: 4, habit: 'slow', qos: 2 },
  { clientId: 'away-v5', version: 5, habit: 'offline', qos: 2 },
  { clientId: 'away-v4', version: 4, habit: 'offline', qos: 1 },
];

/** The account of a shared subscription, whose members each get a part. */
const TEAM = 'team';
const TEAM_MEMBERS: readonly Omit<ReceiverOptions, 'filter'>[] = [
  { clientId: 'team-online-v5', version: 5, habit: 'online', qos: 2 },
  { clientId: 'team-slow-v5', version: 5, habit: 'slow', qos: 2 },
  { clientId: 'team-away-v4', version: 4, habit: 'offline', qos: 2 },
];
const TEAM_FILTER = `$share/${TEAM}/${STREAM_FILTER}`;

const NOMADS: readonly { readonly clientId: string; readonly version: ProtocolVersion }[] = [
  { clientId: 'nomad-v4', version: 4 },
  { clientId: 'nomad-v5', version: 5 },
  { clientId: 'nomad-v5-too', version: 5 },
];

/** Messages of one publisher in a cycle. */
const BUDGET = { low: 20, high: 70 };
const NOMAD_ACTS_MAX = 40;
const WILLS_MAX = 4;
const LOSS_PERCENT = 40;
const LOSS_MS_MAX = 80;

export class Population {
  readonly #ledgers: Ledgers;
  readonly #chance: Chance;
  readonly #nonce: number;
  readonly #publishers: readonly Publisher[];
  readonly #receivers: readonly Receiver[];
  readonly #nomads: readonly Nomad[];
  readonly #wills: WillClients;
  readonly #prober: Prober;

  /** `nonce`: marks what this campaign sent. */
  constructor(ledgers: Ledgers, chance: Chance, nonce: number) {
    this.#ledgers = ledgers;
    this.#chance = chance;
    this.#nonce = nonce;
    const { report } = ledgers.faults;
    const events = {
      onSessionLost: (clientId: string) => report('session-lost', `the session of ${clientId} is not there`),
      onRefused: (_clientId: string, text: string) => report('refused', text),
    };
    this.#publishers = PUBLISHERS.map((options) => {
      const stock = new Stock(options.clientId, ledgers, chance, nonce);
      return new Publisher({ ...options, nextArticle: stock.next }, events, ledgers.acts);
    });
    const streams = RECEIVERS.map((options) => ({ ...options, filter: STREAM_FILTER }));
    const members = TEAM_MEMBERS.map((options) => ({ ...options, filter: TEAM_FILTER }));
    const witness = { clientId: 'witness', version: 5, habit: 'online', qos: 2, filter: WILL_FILTER } as const;
    this.#receivers = [...streams, ...members, witness].map((options) => {
      const onMessage = options === witness ? this.#onWill : this.#onMessage;
      return new Receiver(options, { ...events, onMessage });
    });
    for (const { clientId, qos } of streams) ledgers.messages.addReceiver(clientId, qos);
    ledgers.messages.addReceiver(TEAM, 2, false);
    this.#nomads = NOMADS.map(({ clientId, version }) => new Nomad(clientId, version, ledgers.sessions, chance));
    this.#wills = new WillClients(ledgers.wills, chance, 'mortal-');
    this.#prober = new Prober();
  }

  /** Everybody that has a session comes. @returns false when somebody could not */
  async connect(scene: WillScene): Promise<boolean> {
    const all = [...this.#receivers, ...this.#publishers].map((client) => client.connect(scene));
    return (await Promise.all(all)).every((isConnected) => isConnected);
  }

  /** Clients whose wills wait for them may return. */
  async comeBack(scene: WillScene, isInTime: () => boolean): Promise<void> {
    await this.#wills.comeBack(scene, isInTime);
  }

  /** Everybody begins. Nothing of it is waited for. */
  begin(scene: WillScene): void {
    for (const receiver of this.#receivers) {
      receiver.beSlow();
      if (receiver.options.habit === 'offline') void receiver.goOffline(this.#chance);
    }
    for (const publisher of this.#publishers) publisher.grant(this.#chance.between(BUDGET.low, BUDGET.high));
    for (const nomad of this.#nomads) void nomad.roam(scene, this.#chance.below(NOMAD_ACTS_MAX));
    this.#wills.begin(scene, this.#chance.between(1, WILLS_MAX));
    if (this.#chance.percent(LOSS_PERCENT)) this.#loseSomebody(scene);
  }

  /** Nobody begins anything more, and what waits is answered. */
  stop(): void {
    for (const publisher of this.#publishers) publisher.stop();
    for (const receiver of this.#receivers) receiver.hurry();
    for (const nomad of this.#nomads) nomad.stop();
  }

  /** Nothing is under way or owed any more. Wills are not counted: they have their time. */
  get isAtRest(): boolean {
    return this.#ledgers.messages.owed === 0 && this.#publishers.every(({ isIdle }) => isIdle);
  }

  /** No publisher waits for an acknowledgement that it could hear. */
  get isAnswered(): boolean {
    return this.#publishers.every(({ isIdle, line }) => isIdle || line?.isHearing !== true);
  }

  /** The broker died. Resolves when everything that it had sent is seen. */
  async crash(): Promise<void> {
    this.stop();
    const clients = [...this.#publishers, ...this.#receivers, ...this.#nomads];
    const lines = clients.map(({ line }) => line).filter((line): line is Line => line !== null);
    await Promise.all([...lines, ...this.#wills.lines].map(({ ended }) => ended));
    this.#wills.crash();
    this.#ledgers.crash();
  }

  /** Looks at what is retained. @returns false when the broker ended meanwhile */
  async checkRetained(scene: WillScene): Promise<boolean> {
    const found = await readRetained(scene, { clientId: 'reader', filter: RETAINED_FILTER, nonce: this.#nonce });
    if (found !== null) this.#ledgers.retained.check(found);
    return found !== null;
  }

  /** Looks at the sessions and subscriptions that were made and removed. @returns false when the broker ended meanwhile */
  async checkSessions(scene: WillScene): Promise<boolean> {
    const resumed = await Promise.all(this.#nomads.map((nomad) => nomad.resume(scene)));
    if (resumed.includes(false)) return false;
    const round = this.#prober.nextRound();
    for (const nomad of this.#nomads) nomad.listen(round);
    const topics = this.#nomads.flatMap(({ places }) => places.map(({ topic }) => topic));
    if (!(await this.#prober.publish(scene, topics))) return false;
    return (await Promise.all(this.#nomads.map((nomad) => nomad.tell()))).every((isTold) => isTold);
  }

  /** Somebody does not see any more what comes, until the broker has died. */
  #loseSomebody(scene: WillScene): void {
    const isPublisher = this.#chance.percent(60);
    const publisher = this.#chance.pick(this.#publishers);
    const receiver = this.#chance.pick(this.#receivers);
    setTimeout(() => {
      if (!scene.isAlive()) return;
      if (isPublisher) publisher.loseAnswers(this.#chance);
      else receiver.line?.goDeaf();
    }, this.#chance.below(LOSS_MS_MAX));
  }

  readonly #onMessage = (clientId: string, { topic, payload, qos }: ReceivedPublish): void => {
    const number = numberOf(this.#nonce, topic, payload) ?? 0;
    const isMember = TEAM_MEMBERS.some((member) => member.clientId === clientId);
    this.#ledgers.messages.received(isMember ? TEAM : clientId, { topic, number, qos });
  };

  readonly #onWill = (clientId: string, { topic, payload, qos }: ReceivedPublish): void => {
    const life = lifeOf(topic, payload);
    if (life === null) this.#ledgers.faults.report('never-sent', `${clientId} received a message on ${topic}`);
    else this.#ledgers.wills.came(life, qos);
  };
}
