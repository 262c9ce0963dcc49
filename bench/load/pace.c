/*
 * Open loop: a fixed number of messages per second. This never sleeps: a timer would come too late by tens of
 * microseconds, which is what is to be measured. A latency of the size of `late_max_us` or `own_gap_max_us` says
 * nothing about the broker: the generator itself was kept from working.
 */
#include "gauge.h"
#include "pacer.h"

static Traffic traffic;

void run_pace(const Options *options) {
  Pacer pacer;
  loop_begin(&options->target, &(Listener){traffic_message, NULL});
  traffic_begin(&traffic, options);
  pacer_begin(&pacer, &traffic);
  uint64_t count_from_ns = pacer.began_ns + (uint64_t)(options->warm_seconds * 1e9);
  uint64_t end_ns = count_from_ns + (uint64_t)(options->seconds * 1e9);
  while (pacer_turn(&pacer) < count_from_ns) continue;
  Mark mark = traffic_mark(&traffic);
  traffic.measure_from_ns = mark.began_ns;
  traffic.measure_to_ns = end_ns;
  while (pacer_turn(&pacer) < end_ns) continue;
  Mark end = traffic_mark(&traffic);
  traffic_drain(&traffic, 3);
  traffic_report(&traffic, "pace", &mark, &end);
  json_number("late_max_us", (double)pacer.late_max_ns / 1e3, 1);
  json_number("own_gap_max_us", (double)pacer.gap_max_ns / 1e3, 1);
  json_end();
}
