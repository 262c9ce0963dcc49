/* Clients that connect, wait for the CONNACK, say goodbye and start over; always the same number of them at once. */
#include <stdlib.h>

#include "gauge.h"
#include "traffic.h"

static Peer **connected; /* those to be closed: not while the loop still holds them */
static int connected_count;
static Histogram latency;
static bool is_counting;

static void ignore_message(Peer *peer, const Message *message, uint64_t arrived_ns) {
  (void)peer;
  (void)message;
  (void)arrived_ns;
}

static void note_connected(Peer *peer) {
  if (is_counting) histogram_add(&latency, now_ns() - peer->opened_ns);
  connected[connected_count++] = peer;
}

static int restart_connected(void) {
  int count = connected_count;
  connected_count = 0;
  for (int at = 0; at < count; at++) {
    int index = connected[at]->index;
    peer_close(connected[at]);
    peer_open(connected[at], index, "churn", 0);
  }
  return count;
}

void run_churn(const Options *options) {
  static const Listener listener = {ignore_message, note_connected};
  Peer *peers = calloc((size_t)options->at_once, sizeof(Peer));
  connected = calloc((size_t)options->at_once, sizeof(Peer *));
  if (peers == NULL || connected == NULL) fail("out of memory");
  loop_begin(&options->target, &listener);
  for (int index = 0; index < options->at_once; index++) peer_open(&peers[index], index, "churn", 0);
  uint64_t count_from_ns = now_ns() + (uint64_t)(options->warm_seconds * 1e9);
  uint64_t end_ns = count_from_ns + (uint64_t)(options->seconds * 1e9);
  uint64_t began_ns = 0, cpu_ns = 0, own_ns = 0, count = 0;
  for (uint64_t t = now_ns(); t < end_ns; t = now_ns()) {
    if (!is_counting && t >= count_from_ns) {
      is_counting = true;
      began_ns = t;
      cpu_ns = process_cpu_ns(options->broker_pid);
      own_ns = own_cpu_ns();
    }
    loop_once(10);
    int restarted = restart_connected();
    if (is_counting) count += (uint64_t)restarted;
  }
  double seconds = (double)(now_ns() - began_ns) / 1e9;
  double cpu_us = (double)(process_cpu_ns(options->broker_pid) - cpu_ns) / 1e3;
  if (count == 0) fail("no connection came up in %.0f s", seconds);

  json_begin("churn");
  json_number("at_once", options->at_once, 0);
  json_number("connects_per_s", (double)count / seconds, 1);
  if (options->broker_pid > 0) {
    json_number("cpu_us_per_connect", cpu_us / (double)count, 2);
    json_number("broker_cpu_percent", cpu_us / seconds / 1e4, 1);
  }
  json_number("load_cpu_percent", (double)(own_cpu_ns() - own_ns) / seconds / 1e7, 1);
  json_latency("", &latency);
  json_memory(options);
  json_end();
}
