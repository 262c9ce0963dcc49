/**
 * A plant: 4 lines with 50 machines of 5 sensors each, `Plant1/Line2/Robot5/Temperature`, machines of every version.
 *
 *   SCADA      subscribes to Plant1/# with QoS 1, loses its link in the middle and comes back: misses nothing, in order
 *   historian  three workers share one subscription: every message goes to one of them, in order for each
 *   alarms     one client with QoS 2: each alarm once
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { startLiveBroker } from '../fixtures/live-broker.ts';

const LINES = 4;
const MACHINES = 50;
const SENSORS = ['Temperature', 'Pressure', 'Speed', 'Torque', 'Vibration'];
const ROUNDS = 4;
/** The round before which SCADA loses its link, and the one after which it comes back. */
const CUT_BEFORE_ROUND = 1;
const BACK_AFTER_ROUND = 2;
const READINGS = LINES * MACHINES * SENSORS.length * ROUNDS;
const ALARMS = LINES * MACHINES;

/** The messages that one client got, by topic, with a way to wait for the last one. */
class Received {
  readonly byTopic = new Map<string, number[]>();
  /** Distinct messages: QoS 1 may bring one twice when a link breaks. */
  readonly distinct = new Set<string>();
  count = 0;
  #wake: () => void = () => undefined;

  listenTo(client: MqttClient): void {
    client.on('message', (topic, payload) => {
      this.count += 1;
      this.distinct.add(`${topic} ${payload.toString()}`);
      const values = this.byTopic.get(topic) ?? [];
      values.push(Number(payload.toString()));
      this.byTopic.set(topic, values);
      this.#wake();
    });
  }

  async untilDistinct(count: number): Promise<void> {
    while (this.distinct.size < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Every topic's values, each where it came first, must grow. */
  assertOrdered(who: string): void {
    for (const [topic, values] of this.byTopic) {
      const firsts = [...new Set(values)];
      assert.deepEqual(
        firsts,
        firsts.toSorted((a, b) => a - b),
        `${who} got ${topic} out of order`,
      );
    }
  }
}

async function untilConnected(client: MqttClient): Promise<MqttClient> {
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
  });
  return client;
}

function versionOfLine(line: number): Partial<IClientOptions> {
  if (line === 1) return { protocolId: 'MQIsdp', protocolVersion: 3 };
  return { protocolId: 'MQTT', protocolVersion: line === 2 ? 5 : 4 };
}

test('a plant: SCADA misses nothing over a lost link, the historian shares, each alarm comes once', async () => {
  const live = await startLiveBroker({ maxQueuedMessages: 100_000 });
  const clients: MqttClient[] = [];
  const open = (options: IClientOptions): MqttClient => {
    const client = mqtt.connect(`mqtt://127.0.0.1:${live.port}`, { reconnectPeriod: 0, ...options });
    clients.push(client);
    return client;
  };
  try {
    const scada = new Received();
    const scadaClient = open({ clientId: 'scada', clean: false, protocolVersion: 4 });
    scada.listenTo(scadaClient);
    await untilConnected(scadaClient);
    await scadaClient.subscribeAsync('Plant1/#', { qos: 1 });

    const workers = await Promise.all(
      [1, 2, 3].map(async (number) => {
        const received = new Received();
        const client = open({ clientId: `historian-${number}`, protocolVersion: 5 });
        received.listenTo(client);
        await untilConnected(client);
        await client.subscribeAsync('$share/historian/Plant1/#', { qos: 1 });
        return received;
      }),
    );

    const alarms = new Received();
    const alarmClient = open({ clientId: 'alarms', protocolVersion: 5 });
    alarms.listenTo(alarmClient);
    await untilConnected(alarmClient);
    await alarmClient.subscribeAsync('Plant1/+/+/Alarm', { qos: 2 });

    const machines = await openMachines(open);
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round === CUT_BEFORE_ROUND) {
        const gone = live.log.next('Client scada');
        scadaClient.stream.destroy();
        await gone;
      }
      await Promise.all(machines.map((machine) => publishRound(machine, round)));
      if (round === BACK_AFTER_ROUND) {
        scadaClient.reconnect();
        await untilConnected(scadaClient);
      }
    }

    await scada.untilDistinct(READINGS + ALARMS);
    await alarms.untilDistinct(ALARMS);
    const all = new Set<string>();
    for (const worker of workers) for (const message of worker.distinct) all.add(message);
    assert.equal(all.size, READINGS + ALARMS, 'the workers together got everything');
    assert.equal(
      workers.reduce((sum, worker) => sum + worker.count, 0),
      READINGS + ALARMS,
      'nothing went to two workers',
    );
    for (const worker of workers) {
      worker.assertOrdered('a worker');
      assert.ok(worker.count > 0);
    }
    scada.assertOrdered('SCADA');
    assert.equal(alarms.count, ALARMS, 'each alarm once');
    assert.equal(live.broker.counters.publishesDropped, 0);
  } finally {
    await Promise.all(clients.map((client) => client.endAsync(true)));
    await live.stop();
  }
});

interface Machine {
  readonly client: MqttClient;
  readonly root: string;
}

async function openMachines(open: (options: IClientOptions) => MqttClient): Promise<readonly Machine[]> {
  const machines: Promise<Machine>[] = [];
  for (let line = 1; line <= LINES; line += 1) {
    for (let robot = 1; robot <= MACHINES; robot += 1) {
      const client = open({ clientId: `line${line}-robot${robot}`, ...versionOfLine(line) });
      machines.push(untilConnected(client).then(() => ({ client, root: `Plant1/Line${line}/Robot${robot}` })));
    }
  }
  return Promise.all(machines);
}

/** One reading of each sensor, and in one round an alarm; resolves when the broker has acknowledged all. */
async function publishRound({ client, root }: Machine, round: number): Promise<void> {
  const readings = SENSORS.map((sensor) => client.publishAsync(`${root}/${sensor}`, String(round), { qos: 1 }));
  const isAlarmRound = round === BACK_AFTER_ROUND;
  const alarm = isAlarmRound ? [client.publishAsync(`${root}/Alarm`, String(round), { qos: 2 })] : [];
  await Promise.all([...readings, ...alarm]);
}
