/** The entry of the store's thread. */
import { parentPort } from 'node:worker_threads';
import { importMosquitto } from '../mosquitto/import-mosquitto.ts';
import type { ToStore } from '../thread-messages.ts';
import { StoreServer } from './store-server.ts';

const port = parentPort;
if (port !== null) {
  const server = new StoreServer(
    (message, transfer) => port.postMessage(message, transfer),
    (ms, run) => void setTimeout(run, ms).unref(),
    { importer: importMosquitto },
  );
  port.on('message', (message: ToStore) => server.handle(message));
}
