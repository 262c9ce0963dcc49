import { testTransport } from '../../../test/fixtures/link-suite.ts';
import { createNodeTransport } from './node-transport.ts';

testTransport('node:net', createNodeTransport);
