/** The signals of Mosquitto, and what each asks for. SIGPIPE is ignored by Node. */
import { loadLibc } from './libc.ts';

export interface SignalHandlers {
  /** SIGINT, SIGTERM; each time one comes. */
  onStop(signal: NodeJS.Signals): void;
  /** SIGHUP. */
  onReload(): void;
  /** SIGRTMIN. */
  onRotate(): void;
  /** SIGUSR1. */
  onSave(): void;
  /** SIGUSR2. */
  onPrintTree(): void;
}

export interface SignalWatch {
  /** Which signal cannot be watched here and why, for the log; null = all are. */
  readonly note: string | null;
  /** Signals do what they do to any other process again. SIGRTMIN is ignored from now on. */
  close(): void;
}

/** Runs a handler for each signal, from the event loop. Call once. */
export function watchSignals(handlers: SignalHandlers): SignalWatch {
  const { onStop, onReload, onSave, onPrintTree } = handlers;
  const listeners: readonly (readonly [NodeJS.Signals, (signal: NodeJS.Signals) => void])[] = [
    ['SIGINT', onStop],
    ['SIGTERM', onStop],
    ['SIGHUP', onReload],
    // Node would open a debugger on the first and die of the second.
    ['SIGUSR1', onSave],
    ['SIGUSR2', onPrintTree],
  ];
  for (const [signal, run] of listeners) process.on(signal, run);
  let isOpen = true;
  const note = watchRotation(() => {
    if (isOpen) handlers.onRotate();
  });
  return {
    note,
    close() {
      isOpen = false;
      for (const [signal, run] of listeners) process.off(signal, run);
    },
  };
}

/** Node has no name for SIGRTMIN. @returns why it cannot be watched, or null */
function watchRotation(run: () => void): string | null {
  try {
    const libc = loadLibc();
    libc.watchSignal(libc.realTimeSignal(), run);
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `SIGRTMIN cannot be watched here (${reason}): it ends the process. Use SIGHUP to open the log file again.`;
  }
}
