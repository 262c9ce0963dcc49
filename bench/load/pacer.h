/* Publishing at a fixed rate, each publisher in turn, whatever the broker makes of it. */
#ifndef ZLOAD_PACER_H
#define ZLOAD_PACER_H
#include "traffic.h"

typedef struct {
  Traffic *traffic;
  uint64_t began_ns;
  uint64_t last_turn_ns;
  uint64_t late_max_ns; /* since measuring began: how late the generator itself was with a message */
  uint64_t gap_max_ns;  /* and how long it was busy with one turn, or taken off the processor */
  int turn;
} Pacer;

void pacer_begin(Pacer *pacer, Traffic *traffic);

/* Publishes what is due, handles what has come, without waiting; the time at its begin. */
uint64_t pacer_turn(Pacer *pacer);

#endif
