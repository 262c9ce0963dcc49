import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ApiSources, answerApi } from './api-answers.ts';

const SOURCES: ApiSources = {
  version: '2.1.3',
  systree: () =>
    new Map<string, number | string>([
      ['$SYS/broker/version', 'mosquitto version 2.1.3'],
      ['$SYS/broker/uptime', '4711 seconds'],
      ['$SYS/broker/clients/connected', 3],
      ['$SYS/broker/retained messages/count', 0],
      ['$SYS/broker/load/messages/received/1min', '18.42'],
      ['$SYS/broker/ext/transport', 'reactor'],
      ['$SYS/broker/ext/lag', 0.5],
      ['__proto__', 1],
    ]),
  listeners: () => [
    { port: 1883, path: null, protocol: 'mqtt', isTls: false, isMutualTls: false, allowsAnonymous: true },
    { port: 8883, path: null, protocol: 'websockets', isTls: true, isMutualTls: true, allowsAnonymous: false },
    { port: null, path: '/run/m.sock', protocol: 'mqtt', isTls: false, isMutualTls: false, allowsAnonymous: false },
  ],
};

function json(path: string): unknown {
  const answer = answerApi(path, SOURCES);
  assert.equal(answer?.contentType, 'application/json');
  return JSON.parse(answer.text);
}

test('API: systree has every whole number and the uptime, no text and no average', () => {
  const found = json('/api/v1/systree');
  assert.deepEqual(found, {
    '$SYS/broker/uptime': 4711,
    '$SYS/broker/clients/connected': 3,
    '$SYS/broker/retained messages/count': 0,
    ...JSON.parse('{"__proto__": 1}'),
  });
});

test('API: listeners', () => {
  assert.deepEqual(json('/api/v1/listeners'), {
    listeners: [
      { port: 1883, protocol: 'mqtt', tls: false, mtls: false, allow_anonymous: true },
      { port: 8883, protocol: 'websockets', tls: true, mtls: true, allow_anonymous: false },
      { path: '/run/m.sock', protocol: 'mqtt', tls: false, mtls: false, allow_anonymous: false },
    ],
  });
});

test('API: version', () => {
  assert.deepEqual(answerApi('/api/v1/version', SOURCES), { contentType: 'text/plain', text: '2.1.3' });
});

test('API: everything else is not its own', () => {
  for (const path of ['/', '/api', '/api/v1', '/api/v2/systree', '/API/v1/systree', '/api/v1/systree/x']) {
    assert.equal(answerApi(path, SOURCES), null, path);
  }
});
