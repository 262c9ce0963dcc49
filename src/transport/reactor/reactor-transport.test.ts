import { testTransport } from '../../../test/fixtures/link-suite.ts';
import { createReactor } from './reactor.ts';
import { createReactorTransport } from './reactor-transport.ts';

const reactor = createReactor();

testTransport('reactor', (options) => createReactorTransport(reactor, options));
