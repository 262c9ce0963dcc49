/** Help on the options that both tools have. */
export const SHARED_USAGE = `
Connection
 -h, --host HOST          Default: localhost.
 -p, --port PORT          Default: 1883.
 -L, --url URL            Host, port, user and topic in one.
 -V, --protocol-version V 5 (mqttv5), 311 (mqttv311) or 31 (mqttv31); default 311.
 -i, --id ID              Client id; default: the broker chooses.
 -I, --id-prefix PREFIX   Client id: PREFIX and the process id.
 -u, --username NAME
 -P, --pw PASSWORD
 -k, --keepalive SECONDS  5 to 65535; default 60.
 -c, --disable-clean-session
                          Go on with the session of this id, and keep it afterwards. Needs -i or -I.
 -x SECONDS               How long the session is kept (MQTT 5); -1: for ever.
 -M N                     Messages of QoS 1 and 2 on their way at once; default 20.
 -D, --property COMMAND NAME VALUE [VALUE2]
                          A property (MQTT 5) for connect, publish, subscribe, unsubscribe, disconnect or will,
                          such as: -D publish content-type text/plain, -D connect user-property line 2

Will: published by the broker should this client be lost
     --will-topic TOPIC, --will-payload TEXT, --will-qos N, --will-retain

Other
 -d, --debug              Show the packets.
     --quiet              Show no errors.
     --help               Show this help.
     --version            Show the version.
`;
