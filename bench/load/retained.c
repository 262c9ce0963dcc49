/*
 * A broker full of retained messages and a new subscriber that wants all of them, while others go on at a fixed rate:
 * how long does it take until the last one is there, and how long does anybody else wait meanwhile?
 */
#include "gauge.h"
#include "pacer.h"

enum { NO_PROGRESS_SECONDS = 10 };

static const uint64_t AFTER_NS = 500000000; /* what was held up shows a little later */

static Traffic traffic;
static Peer collector;
static uint64_t collected, last_collected_ns;

static void take(Peer *peer, const Message *message, uint64_t arrived_ns) {
  if (peer != &collector) {
    traffic_message(peer, message, arrived_ns);
  } else if (message->is_retained) {
    collected++;
    last_collected_ns = arrived_ns;
  }
}

static void go_on_until(Pacer *pacer, uint64_t end_ns) {
  while (pacer_turn(pacer) < end_ns) continue;
}

/* Subscribes to everything and goes on until all are there or none have come for long; when it began. */
static uint64_t collect(Pacer *pacer, uint64_t wanted) {
  peer_open(&collector, 0, "collector", 0);
  while (collector.stage != CONNECTED) pacer_turn(pacer);
  uint64_t began_ns = now_ns(), progress_ns = began_ns, seen = 0;
  traffic.measure_from_ns = began_ns;
  traffic.measure_to_ns = UINT64_MAX;
  peer_subscribe(&collector, "#", 0);
  peer_flush(&collector);
  while (collected < wanted) {
    uint64_t t_ns = pacer_turn(pacer);
    if (collected > seen) progress_ns = t_ns;
    if (t_ns > progress_ns + NO_PROGRESS_SECONDS * 1000000000ull) break;
    seen = collected;
  }
  return began_ns;
}

void run_retained(const Options *options) {
  static Histogram quiet, busy;
  Pacer pacer;
  int wanted = options->retained, pid = options->broker_pid;
  Options without = *options;
  without.retained = 0;
  loop_begin(&options->target, &(Listener){take, NULL});
  Memory empty = process_memory(pid);
  uint64_t began_ns = now_ns();
  publish_retained(options, wanted);
  double seed_seconds = (double)(now_ns() - began_ns) / 1e9;
  Memory full = process_memory(pid);

  traffic_begin(&traffic, &without);
  traffic.latency = &quiet;
  pacer_begin(&pacer, &traffic);
  go_on_until(&pacer, now_ns() + (uint64_t)(options->warm_seconds * 1e9));
  traffic.measure_from_ns = now_ns();
  traffic.measure_to_ns = traffic.measure_from_ns + (uint64_t)(options->seconds * 1e9);
  go_on_until(&pacer, traffic.measure_to_ns + AFTER_NS);
  pacer.gap_max_ns = pacer.late_max_ns = 0;
  traffic.latency = &busy;
  uint64_t subscribed_ns = collect(&pacer, (uint64_t)wanted);
  traffic.measure_to_ns = now_ns() + AFTER_NS;
  go_on_until(&pacer, traffic.measure_to_ns);
  traffic_drain(&traffic, 3);

  json_begin("retained");
  json_number("retained", wanted, 0);
  json_number("missing", wanted - (double)collected, 0);
  json_number("stored_per_s", wanted / seed_seconds, 1);
  if (collected > 0) json_number("last_ms", (double)(last_collected_ns - subscribed_ns) / 1e6, 3);
  json_latency("quiet_", &quiet);
  json_latency("", &busy);
  json_number("lost", (double)traffic.expected - (double)traffic.delivered, 0);
  json_number("late_max_us", (double)pacer.late_max_ns / 1e3, 1);
  json_number("own_gap_max_us", (double)pacer.gap_max_ns / 1e3, 1);
  if (pid > 0 && wanted > 0)
    json_number("bytes_per_retained", (double)(full.rss_kb - empty.rss_kb) * 1024.0 / wanted, 1);
  json_memory(options);
  json_end();
}
