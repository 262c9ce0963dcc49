export { createSysTopics, type SysSource, type SysTopics, type SysTopicsOptions } from './sys-topics.ts';
