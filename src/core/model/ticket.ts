/** A growing number given to each change that must become durable; 0 stands for "nothing to wait for". */
export type Ticket = number;
