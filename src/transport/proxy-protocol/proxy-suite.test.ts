/** A link behind a PROXY header keeps what every link promises. */
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { testTransport } from '../../../test/fixtures/link-suite.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import type { Accept, LinkEvents, Transport } from '../../base/link.ts';
import { createReactor } from '../reactor/reactor.ts';
import { createReactorTransport } from '../reactor/reactor-transport.ts';
import { acceptProxied } from './accept-proxied.ts';

const HEADER = Buffer.from('PROXY UNKNOWN\r\n');

/** `base`, with a PROXY header before what the peers of the suite send. */
function proxiedOver(base: Transport): Transport {
  const withHeader = (accept: Accept): Accept => {
    const options = { version: 1, requiresTls: false, requiresCertificate: false, headerDeadlineMs: 30_000 } as const;
    const proxied = acceptProxied(accept, { ...options, log: new MemoryLog(), clock: new FakeClock() });
    return (link): LinkEvents => {
      const events = proxied(link);
      events.onBytes(HEADER, 0, HEADER.length);
      return events;
    };
  };
  return {
    listen: (at, accept) => base.listen(at, withHeader(accept)),
    connect: (to, accept) => base.connect(to, accept),
  };
}

const reactor = createReactor();

testTransport('PROXY header', (options) => proxiedOver(createReactorTransport(reactor, options)));
