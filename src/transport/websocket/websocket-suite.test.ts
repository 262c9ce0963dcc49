/** WebSockets keep what every link promises, on both transports. */
import { testTransport } from '../../../test/fixtures/link-suite.ts';
import { createNodeTransport } from '../node/node-transport.ts';
import { createReactor } from '../reactor/reactor.ts';
import { createReactorTransport } from '../reactor/reactor-transport.ts';
import { webSocketOver } from './plain-peer.fixture.ts';

const reactor = createReactor();

testTransport('WebSocket on the reactor', (options) => webSocketOver(createReactorTransport(reactor, options)));
testTransport('WebSocket on node:net', (options) => webSocketOver(createNodeTransport(options)));
