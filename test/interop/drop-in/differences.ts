/** What Zanzara shows instead of a line of Debian's 2.0.11: there 2.1 differs from 2.0, or a row of docs/differences.md. */
type Rule = readonly [theirs: string | RegExp, ours: string];

// Numbers of the protocol's versions in the log, since 2.1; the address, since 2.1.1; the limit of a packet, since 2.1.
const PROTOCOL_NUMBER: Rule = ['(p2,', '(p4,'];
const GOODBYE_ADDRESS: Rule = [/Client ([\w-]+) disconnected\./, 'Client $1 [127.0.0.1:P] disconnected.'];
const PACKET_SIZE: Rule = [/(connack 0.*) \{(receiveMaximum|maximumQoS)/, '$1 {maximumPacketSize=2000000 $2'];
/** Told at the take-over, since 2.1. */
const TAKEN_OVER: Rule = [/^(5 thief: .*)closed$/, '$1disconnect 142'];
/** Once a stop was told to a client, there is a line for it in the log too. */
const STOPPED: Rule = [
  'BROKER version terminating',
  'BROKER version terminating\nClient stays [127.0.0.1:P] disconnected: server shutting down.',
];

const LOCAL_ONLY: Rule = ['possible from clients running on this machine.', 'possible from this machine.'];

const DIFFERENCES: Readonly<Record<string, readonly Rule[]>> = {
  // 2.0.11 shows the prefix to the clients behind it, against its own manual; 2.1 takes it off.
  'mount points': [
    ['seen from inside: exit 0 | hall2/a/b 1', 'seen from inside: exit 0 | a/b 1'],
    ['hall2/s/1 one / hall2/s/2 two', 's/1 one / s/2 two'],
  ],
  'a log in a file and on topics': [PROTOCOL_NUMBER, GOODBYE_ADDRESS],
  'a log in a file that is moved away': [PROTOCOL_NUMBER, GOODBYE_ADDRESS],
  'every line of the log about a client': [
    PROTOCOL_NUMBER,
    GOODBYE_ADDRESS,
    // What is sent to a client of 3.x has no code.
    [/^(Sending PUB(ACK|REC) to three .*)rc135/, '$1rc0'],
  ],
  'the log on topics': [PROTOCOL_NUMBER, GOODBYE_ADDRESS],
  'limits: sizes, QoS, queues, client ids': [
    // [MQTT-3.1.3-8]
    [
      /^no id: exit 128 \| {2}\| Connection error: Unspecified error/,
      'no id: exit 133 |  | Connection error: Client Identifier not valid',
    ],
    // 2.1 refuses; 2.0 let the client have its way.
    [
      /^keep alive, 3\.1\.1: exit 0 .*/,
      'keep alive, 3.1.1: exit 2 |  | Connection error: Connection Refused: identifier rejected. / Error: The connection was refused.',
    ],
  ],
  'retained messages': [
    // A new member of a group gets nothing retained, since 2.1 [MQTT-4.8.2].
    [/^ {2}r\/1 new qos 1 retain$/, '  '],
  ],
  'sessions that stay, and take-over': [PACKET_SIZE, TAKEN_OVER],
  'what ends by itself: wills with a delay, sessions, messages': [PACKET_SIZE],
  'options of delivery, and the tree of subscriptions': [
    // The highest QoS of the filters that match [MQTT-3.3.5-1].
    ['overlap: d/1 to two filters qos 1 / d/end end qos 1', 'overlap: d/1 to two filters qos 2 / d/end end qos 2'],
  ],
  'TLS with client certificates, names from them': [PROTOCOL_NUMBER],
  'clients that are broken: the bytes they are told': [
    // Told what was wrong, as with every other protocol error.
    [/^(CONNECT again, 5: .*)/, '$1e00182'],
  ],
  'client ids and names of users': [PACKET_SIZE, PROTOCOL_NUMBER],
  'start, clients come and go, a clean stop': [
    PROTOCOL_NUMBER,
    GOODBYE_ADDRESS,
    ['the client: closed', 'the client: disconnect 139'],
    [
      'closing old connection.',
      'closing old connection.\nClient stays [127.0.0.1:P] disconnected: session taken over.',
    ],
    STOPPED,
  ],
  'no configuration': [LOCAL_ONLY],
  'a reload of users and rights': [['sensor1 is gone: closed', 'sensor1 is gone: disconnect 135']],
  'old forms, and a folder of files': [
    PACKET_SIZE,
    // The limit of a packet, as above; and a code that the standard has in PUBACK [MQTT-3.4.2-1].
    ['large: 200900000622000a2100054003000195', 'large: 200e00000b22000a27001e84802100054003000183'],
  ],
  'WebSockets behind a proxy': [
    // libwebsockets lets them in and is mute; 2.1 refuses them.
    ['protocols : open: ', 'protocols : refused'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    PROTOCOL_NUMBER,
  ],
  "Debian's own configuration": [
    PROTOCOL_NUMBER,
    GOODBYE_ADDRESS,
    LOCAL_ONLY,
    [
      /see https:.*/,
      "see the section 'Opening it to a network' of the README.\nState is kept in /var/lib/mosquitto/zanzara.db.",
    ],
  ],
};

/** Lines of Mosquitto's log for which there is nothing to tell: the store gets each change, there is no moment of saving. */
const UNSAID = /^Saving in-memory database/;

/** What Zanzara is expected to show where Mosquitto 2.0.11 showed `theirs`. */
export function expectedOf(scenario: string, theirs: readonly string[]): readonly string[] {
  const rules = DIFFERENCES[scenario] ?? [];
  const lines = theirs.filter((line) => !UNSAID.test(line));
  return lines.flatMap((line) => rules.reduce((text, [from, to]) => text.replace(from, to), line).split('\n'));
}
