export type { ListenerView } from './api-answers.ts';
export { createHttpApi, type HttpApi, type HttpApiOptions } from './http-api.ts';
export type { HttpRequest } from './request-answers.ts';
