/** What plants live by, whoever the broker is: wills, retained messages, sessions, and their ends. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { field, frame, joined, u16 } from '../../fixtures/raw-packets.ts';
import { type Guest, visit } from './guest.ts';
import type { Scenario } from './two-brokers.ts';

const OPEN = 'listener {PORT} 127.0.0.1\nallow_anonymous true\n';
/** A message that tells a client that nothing else comes before it. */
const END = 'end';

const V5 = { protocolVersion: 5 } as const;
const will = (payload: string, properties = {}) =>
  ({ will: { topic: 'w/a', payload: Buffer.from(payload), qos: 1, retain: true, ...properties } }) as const;

const wills: Scenario = {
  name: 'wills',
  ports: ['PORT'],
  files: { 'mosquitto.conf': OPEN },
  async script(place) {
    const watcher = await visit(place, { clientId: 'watcher' });
    await watcher.subscribe('w/#', { qos: 1 });
    const say = async (line: string) => `${line}: ${await watcher.until(watcher.messages.length)}`;
    const killed = await visit(place, { clientId: 'killed', ...will('3.1.1 killed') });
    await killed.drop();
    await watcher.until(1);
    const polite = await visit(place, { clientId: 'polite', ...will('never') });
    await polite.leave();
    const killed5 = await visit(place, { clientId: 'killed5', ...V5, ...will('5 killed') });
    await killed5.drop();
    await watcher.until(2);
    const asked = await visit(place, { clientId: 'asked', ...V5, ...will('5 asked for') });
    await asked.leave(4);
    await watcher.until(3);
    const delay = { will: { ...will('5 later').will, properties: { willDelayInterval: 3600 } } };
    const later = await visit(place, {
      clientId: 'later',
      ...V5,
      ...delay,
      clean: false,
      properties: { sessionExpiryInterval: 7200 },
    });
    await later.drop();
    const silent = await visit(place, { clientId: 'rest' });
    await silent.publish('w/b', END, { qos: 1 });
    await watcher.until(4);
    await silent.leave();
    const lines = [await say('wills')];
    // A client that falls silent: one and a half times its keep alive.
    const started = performance.now();
    const socket = connect({ host: '127.0.0.1', port: place.ports.PORT ?? 0 });
    socket.write(frame(0x10, joined(field('MQTT'), 4, 0x06, u16(1), field('silent'), field('w/c'), field('silent'))));
    await watcher.until(5);
    const seconds = (performance.now() - started) / 1000;
    lines.push(await say('after keep alive'), `within its time: ${seconds > 1.4 && seconds < 10}`);
    if (!socket.closed) await once(socket.resume(), 'close');
    const kept = await visit(place, { clientId: 'kept' });
    await kept.subscribe('w/a');
    lines.push(`kept: ${await kept.until(1)}`);
    return lines;
  },
};

const retained: Scenario = {
  name: 'retained messages',
  ports: ['PORT'],
  files: { 'mosquitto.conf': OPEN },
  async script(place) {
    const pub = await visit(place, { clientId: 'pub' });
    const texts = [
      ['r/1', 'old'],
      ['r/1', 'new'],
      ['r/2', 'gone'],
      ['r/2', ''],
      ['r/3', 'three'],
      ['$own/1', 'apart'],
    ] as const;
    for (const [topic, text] of texts) await pub.publish(topic, text, { qos: 1, retain: true });
    const reader = await visit(place, { clientId: 'reader' });
    const reader5 = await visit(place, { clientId: 'reader5', ...V5 });
    const lines: string[] = [];
    for (const [who, name] of [
      [reader, '3.1.1'],
      [reader5, '5'],
    ] as const) {
      let count = 0;
      const listen = async (filter: string, options: Parameters<Guest['subscribe']>[1]) => {
        lines.push(`${name} ${filter} ${JSON.stringify(options)}: ${await who.subscribe(filter, options)}`);
        // The marker comes behind whatever was retained.
        await who.subscribe(`end/${name}`, { qos: 0 });
        await pub.publish(`end/${name}`, END);
        await who.until(count + 1);
        while (!who.messages.slice(count).some((line) => line.startsWith('end/')))
          await who.until(who.messages.length + 1);
        const seen = who.messages.slice(count).filter((line) => !line.startsWith('end/'));
        lines.push(`  ${seen.sort().join(' / ')}`);
        count = who.messages.length;
      };
      await listen('r/#', { qos: 1 });
      await listen('r/#', { qos: 0 });
      await listen('#', { qos: 0 });
      await who.unsubscribe('#');
      await who.unsubscribe('r/#');
      if (name === '3.1.1') continue;
      await listen('r/+', { qos: 1, rh: 1 });
      await listen('r/+', { qos: 1, rh: 1 });
      await listen('r/3', { qos: 1, rh: 2, rap: true });
      await listen('$own/#', { qos: 1 });
      await listen('$share/group/r/1', { qos: 1 });
      await who.unsubscribe('r/+');
      await pub.publish('r/3', 'live', { qos: 1, retain: true });
      await who.until(count + 1);
      lines.push(`  ${who.messages.at(-1)}`);
    }
    return lines;
  },
};

const sessions: Scenario = {
  name: 'sessions that stay, and take-over',
  ports: ['PORT'],
  files: { 'mosquitto.conf': `${OPEN}max_queued_messages 8\nmax_inflight_messages 2\n` },
  async script(place) {
    const lines: string[] = [];
    const pub = await visit(place, { clientId: 'pub', ...V5 });
    const kinds = [
      ['3.1.1', { clientId: 'stay', clean: false }],
      ['5', { clientId: 'stay5', ...V5, clean: false, properties: { sessionExpiryInterval: 600 } }],
    ] as const;
    for (const [name, options] of kinds) {
      const first = await visit(place, options);
      lines.push(`${name} first: ${await first.greeting}`);
      await first.subscribe('s/#', { qos: 2 });
      await first.drop();
      await place.sees(new RegExp(`Client ${options.clientId} .*(closed its connection|disconnected)`));
      for (const qos of [0, 1, 2] as const) await pub.publish(`s/${qos}`, 'away', { qos });
      await pub.publish('s/expiry', 'away', {
        qos: 1,
        properties: { messageExpiryInterval: 3600, contentType: 'text/plain' },
      });
      const second = await visit(place, options);
      lines.push(`${name} again: ${await second.greeting}`);
      lines.push(`${name} waited: ${(await second.until(3)).replace(/=3(600|59\d)/, '=SECONDS')}`);
      await second.leave();
      // Twelve, of which ten can wait.
      for (let index = 0; index < 12; index++) await pub.publish('s/many', String(index), { qos: 1 });
      const third = await visit(place, options);
      await third.until(8);
      await pub.publish('s/end', END, { qos: 1 });
      while (!third.messages.some((line) => line.includes(END))) await third.until(third.messages.length + 1);
      lines.push(`${name} many: ${third.messages.join(' / ')}`);
      const thief = await visit(place, { ...options, clean: true });
      lines.push(`${name} thief: ${await thief.greeting}, the other: ${await third.farewell}`);
      await pub.publish('s/after', 'x', { qos: 1 });
      await thief.subscribe('mine', { qos: 0 });
      await pub.publish('mine', END, { qos: 0 });
      lines.push(`${name} thief has: ${await thief.until(1)}`);
      await thief.leave();
    }
    return lines;
  },
};

const times: Scenario = {
  name: 'what ends by itself: wills with a delay, sessions, messages',
  ports: ['PORT'],
  files: { 'mosquitto.conf': OPEN },
  async script(place) {
    const watcher = await visit(place, { clientId: 'watcher', ...V5 });
    await watcher.subscribe('w/#', { qos: 1 });
    const brief = { clientId: 'brief', ...V5, clean: false } as const;
    const delayed = { topic: 'w/delayed', payload: Buffer.from('gone'), qos: 1, retain: false } as const;
    const first = await visit(place, {
      ...brief,
      properties: { sessionExpiryInterval: 3600 },
      will: { ...delayed, properties: { willDelayInterval: 2 } },
    });
    await first.subscribe('t/#', { qos: 1 });
    await first.drop();
    await place.sees(/Client brief .*(closed its connection|disconnected)/);
    // In time: the will is not published, and the session is there.
    const second = await visit(place, {
      ...brief,
      properties: { sessionExpiryInterval: 1 },
      will: { ...delayed, payload: Buffer.from('its session ended first'), properties: { willDelayInterval: 3600 } },
    });
    const lines = [`in time: ${await second.greeting}`];
    await watcher.publish('t/short', 'gone', { qos: 1, retain: true, properties: { messageExpiryInterval: 1 } });
    await second.until(1);
    await second.drop();
    lines.push(`will: ${await watcher.until(1)}`);
    let third = await visit(place, { ...brief, properties: { sessionExpiryInterval: 0 } });
    lines.push(`too late: ${await third.greeting}`);
    await third.subscribe('t/#', { qos: 1 });
    await third.subscribe('end', { qos: 1 });
    await watcher.publish('end', END, { qos: 1 });
    lines.push(`retained, expired: ${await third.until(1)}`);
    await third.leave();
    third = await visit(place, { ...brief, properties: { sessionExpiryInterval: 0 } });
    lines.push(`nothing was kept: ${await third.greeting}`);
    return lines;
  },
};

export const SESSION_SCENARIOS: readonly Scenario[] = [wills, retained, sessions, times];
