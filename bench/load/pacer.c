#include "pacer.h"

#include "gauge.h"

void pacer_begin(Pacer *pacer, Traffic *traffic) {
  uint64_t t_ns = now_ns();
  *pacer = (Pacer){.traffic = traffic, .began_ns = t_ns, .last_turn_ns = t_ns};
}

static void raise_to(uint64_t *max, uint64_t value) {
  if (value > *max) *max = value;
}

/* Each message is stamped with the time at which it really left. */
static void publish_due(Pacer *pacer, uint64_t t_ns, bool is_measuring) {
  Traffic *traffic = pacer->traffic;
  double rate = traffic->options->rate;
  uint64_t due = (uint64_t)((double)(t_ns - pacer->began_ns) / 1e9 * rate);
  while (traffic->published < due) {
    uint64_t stamp_ns = now_ns();
    uint64_t due_ns = pacer->began_ns + (uint64_t)((double)(traffic->published + 1) / rate * 1e9);
    if (is_measuring && stamp_ns > due_ns) raise_to(&pacer->late_max_ns, stamp_ns - due_ns);
    traffic_publish(traffic, pacer->turn, stamp_ns);
    peer_flush(&traffic->publishers[pacer->turn]);
    pacer->turn = (pacer->turn + 1) % traffic->options->pubs;
  }
}

uint64_t pacer_turn(Pacer *pacer) {
  uint64_t t_ns = now_ns();
  bool is_measuring = pacer->traffic->measure_from_ns > 0;
  if (is_measuring) raise_to(&pacer->gap_max_ns, t_ns - pacer->last_turn_ns);
  pacer->last_turn_ns = t_ns;
  publish_due(pacer, t_ns, is_measuring);
  loop_once(0);
  return t_ns;
}
