/*
 * Closed loop, nothing lost: at most `window` messages per publisher are on their way, and the next is published as
 * soon as there is room. When there is none, this sleeps in epoll, so that load_cpu_percent tells whether the load
 * generator or the broker is the limit.
 */
#include "gauge.h"
#include "traffic.h"

/* A publisher whose socket is full waits; large payloads still go out one at a time. */
enum { WAITING_MAX = 64 * 1024 };

static Traffic traffic;

static bool has_room(const Peer *peer, uint64_t in_flight_max, int window) {
  if (peer_waiting(peer) >= WAITING_MAX) return false;
  if (traffic.expected - traffic.delivered >= in_flight_max) return false;
  return traffic.options->qos == 0 || peer->published - peer->settled < (uint64_t)window;
}

/* Gives each publisher what it may send, beginning with another one each time; false when none may. */
static bool fill(uint64_t in_flight_max) {
  static int first;
  const Options *options = traffic.options;
  bool has_sent = false;
  uint64_t stamp_ns = now_ns();
  for (int turn = 0; turn < options->pubs; turn++) {
    int index = (first + turn) % options->pubs;
    Peer *peer = &traffic.publishers[index];
    int burst = 0;
    for (; burst < options->window && has_room(peer, in_flight_max, options->window); burst++)
      traffic_publish(&traffic, index, stamp_ns);
    if (burst > 0) {
      peer_flush(peer);
      has_sent = true;
      first = (index + 1) % options->pubs;
    }
    if (traffic.expected - traffic.delivered >= in_flight_max) break;
  }
  return has_sent;
}

void run_flow(const Options *options) {
  loop_begin(&options->target, &(Listener){traffic_message, NULL});
  traffic_begin(&traffic, options);
  if (traffic.fanout_total == 0) fail("flow needs a subscriber that reads");
  uint64_t in_flight_max = (uint64_t)options->window * traffic.fanout_total;
  uint64_t count_from_ns = now_ns() + (uint64_t)(options->warm_seconds * 1e9);
  uint64_t end_ns = count_from_ns + (uint64_t)(options->seconds * 1e9);
  Mark mark = {0};
  for (uint64_t t = now_ns(); t < end_ns; t = now_ns()) {
    if (mark.began_ns == 0 && t >= count_from_ns) {
      mark = traffic_mark(&traffic);
      traffic.measure_from_ns = mark.began_ns;
      traffic.measure_to_ns = end_ns;
    }
    bool has_sent = traffic.expected - traffic.delivered < in_flight_max && fill(in_flight_max);
    loop_once(has_sent ? 0 : 1);
  }
  Mark end = traffic_mark(&traffic);
  traffic_drain(&traffic, 3);
  traffic_report(&traffic, "flow", &mark, &end);
  json_end();
}
