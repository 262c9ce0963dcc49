/** From a request to its answer: method, path, rights, then the API or a file. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Log } from '../../base/log.ts';
import { toError } from '../../transport/transport-options.ts';
import { type ApiSources, answerApi } from './api-answers.ts';
import { type Authorization, readAuthorization } from './basic-auth.ts';
import { pathOf } from './request-target.ts';
import { type OpenFile, openFile } from './static-files.ts';

/** Who asks for what. */
export interface HttpRequest {
  /** Null: no user name and password were given. */
  readonly userName: string | null;
  readonly password: Uint8Array | null;
  /** Decoded, without a query; a valid topic name. The right to it is the right to receive that topic. */
  readonly path: string;
  readonly remoteAddress: string;
}

export interface AnswerOptions extends ApiSources {
  /** Whether the user may come in and read the path. */
  readonly authorise: (request: HttpRequest) => boolean | Promise<boolean>;
  /** The option `http_dir`; null = no files. */
  readonly httpDir: string | null;
  readonly log: Log;
  /** Told of a defect of ours; that request was answered with 500. */
  readonly onFault: (error: Error) => void;
}

/** One request that is to be answered. */
export interface Asking {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly remoteAddress: string;
}

const REALM = 'Mosquitto API';
const NOT_FOUND = 'Not found.';
/** Browsers take files for what their content type says. */
const ALWAYS = { 'X-Content-Type-Options': 'nosniff' };
const TEXT = { 'Content-Type': 'text/plain' };
const API_HEADERS = { 'Access-Control-Allow-Origin': '*', 'Cache-Control': 'no-store' };

/** Answers; whatever goes wrong. Resolves when the answer was handed over, or its connection has gone. */
export async function answerRequest(asking: Asking, options: AnswerOptions): Promise<void> {
  try {
    await answer(asking, options);
  } catch (error) {
    options.onFault(toError(error));
    const { request, response } = asking;
    if (response.destroyed) return;
    if (response.headersSent) request.socket.destroy();
    else await sendText(response, 500, 'Internal error.', { Connection: 'close' });
  }
}

async function answer(asking: Asking, options: AnswerOptions): Promise<void> {
  const { request, response } = asking;
  if (response.destroyed) return;
  // A body is not read: the connection ends with the answer.
  if (hasBody(request)) response.setHeader('Connection', 'close');
  if (request.method !== 'GET') return await sendText(response, 405, 'Invalid HTTP Method', { Allow: 'GET' });
  const path = pathOf(request.url ?? '');
  if (path === null) return await sendText(response, 404, NOT_FOUND);
  if (!(await isAuthorised(asking, path, options))) {
    return await sendText(response, 401, 'Not authorised', { 'WWW-Authenticate': `Basic realm="${REALM}"` });
  }
  const found = answerApi(path, options);
  if (found !== null) {
    return await sendText(response, 200, found.text, { ...API_HEADERS, 'Content-Type': found.contentType });
  }
  const file = options.httpDir === null ? null : await openFile(options.httpDir, path);
  if (file === null) return await sendText(response, 404, NOT_FOUND);
  await sendFile(asking, file, (error) => {
    options.log.write('error', `Error: '${path}' of http_dir could not be read: ${error.message}.`);
  });
}

async function isAuthorised(asking: Asking, path: string, { authorise, log }: AnswerOptions): Promise<boolean> {
  const { request, remoteAddress } = asking;
  const authorization = readAuthorization(request.headers.authorization);
  const isAllowed =
    authorization.kind !== 'malformed' && (await authorise({ ...credentialsOf(authorization), path, remoteAddress }));
  // A browser asks without a name first, each time: only who gave one is worth a line.
  if (!isAllowed && authorization.kind !== 'none') {
    log.write('notice', `HTTP API: ${remoteAddress} is not authorised to read '${path}'.`);
  }
  return isAllowed;
}

function credentialsOf(authorization: Authorization): Pick<HttpRequest, 'userName' | 'password'> {
  return authorization.kind === 'basic' ? authorization.credentials : { userName: null, password: null };
}

async function sendFile(asking: Asking, file: OpenFile, onReadError: (error: Error) => void): Promise<void> {
  const { request, response } = asking;
  const { handle, byteCount, contentType } = file;
  if (response.destroyed || byteCount === 0) {
    await handle.close();
    return await sendText(response, 200, '', { 'Content-Type': contentType });
  }
  response.writeHead(200, { ...ALWAYS, 'Content-Type': contentType, 'Content-Length': byteCount });
  const bytes = handle.createReadStream({ start: 0, end: byteCount - 1 });
  try {
    await pipeline(bytes, response);
  } catch (error) {
    // The client has gone; or the disk fails, which cuts the answer off.
    if (!isPrematureClose(error)) onReadError(toError(error));
    request.socket.destroy();
    return;
  }
  // The file has become shorter meanwhile: a client must not take that for all of it, nor wait for the rest.
  if (bytes.bytesRead < byteCount) request.socket.destroy();
}

function isPrematureClose(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_STREAM');
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) {
      resolve();
      return;
    }
    response.once('close', resolve);
    const byteCount = Buffer.byteLength(text);
    response.writeHead(status, { ...ALWAYS, ...TEXT, ...headers, 'Content-Length': byteCount }).end(text);
  });
}
