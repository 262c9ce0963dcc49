/*
 * Idle connections with subscriptions: how fast they come up, what each costs in memory, and what they cost while
 * nothing happens. Memory is read before the first one, at a third of them, at the end, and once more after the idle
 * time; the slope between the second and the last reading leaves out what the broker's first clients cost it once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gauge.h"
#include "traffic.h"

enum { WAIT_SECONDS = 60, READING_SECONDS = 1 };

static void ignore_message(Peer *peer, const Message *message, uint64_t arrived_ns) {
  (void)peer;
  (void)message;
  (void)arrived_ns;
}

static void idle(double seconds) {
  uint64_t end_ns = now_ns() + (uint64_t)(seconds * 1e9);
  while (now_ns() < end_ns) loop_once(100);
}

static bool is_connected(const void *peer) { return ((const Peer *)peer)->stage == CONNECTED; }

/* Opens peers[from] to peers[to - 1] with at most `at_once` unfinished; the seconds that took. */
static double open_some(Peer *peers, int from, int to, int at_once) {
  uint64_t began_ns = now_ns();
  int ready = from;
  for (int index = from; index < to; index++) {
    peer_open(&peers[index], index, "hold", 0);
    if (index - ready + 1 >= at_once) wait_for(is_connected, &peers[ready], "CONNACK", WAIT_SECONDS);
    while (ready <= index && peers[ready].stage == CONNECTED) ready++;
  }
  for (; ready < to; ready++) wait_for(is_connected, &peers[ready], "CONNACK", WAIT_SECONDS);
  return (double)(now_ns() - began_ns) / 1e9;
}

static int subacks_wanted;
static bool has_subacks(const void *peer) { return ((const Peer *)peer)->subacks >= (uint64_t)subacks_wanted; }

static void subscribe_some(Peer *peers, int from, int to, const Options *options) {
  char filter[80];
  subacks_wanted = options->filters_each;
  for (int index = from; index < to; index++) {
    for (int each = 0; each < options->filters_each; each++) {
      snprintf(filter, sizeof filter, "Plant1/Line%d/Robot%d/Sensor%d", index / 100, index, each);
      peer_subscribe(&peers[index], filter, options->qos);
    }
    peer_flush(&peers[index]);
    if ((index - from) % options->at_once == options->at_once - 1)
      wait_for(has_subacks, &peers[index], "SUBACK", WAIT_SECONDS);
  }
  for (int index = from; index < to; index++) wait_for(has_subacks, &peers[index], "SUBACK", WAIT_SECONDS);
}

static double bytes_each(long from_kb, long to_kb, int count) {
  return count > 0 ? (double)(to_kb - from_kb) * 1024.0 / count : 0;
}

void run_hold(const Options *options) {
  static const Listener silent = {ignore_message, NULL};
  int count = options->pubs, third = count / 3, pid = options->broker_pid;
  Peer *peers = calloc((size_t)count, sizeof(Peer));
  if (peers == NULL) fail("out of memory");
  loop_begin(&options->target, &silent);
  Memory before = process_memory(pid);
  uint64_t cpu_before_ns = process_cpu_ns(pid);
  double seconds = open_some(peers, 0, third, options->at_once);
  subscribe_some(peers, 0, third, options);
  idle(READING_SECONDS);
  Memory at_third = process_memory(pid);
  seconds += open_some(peers, third, count, options->at_once);
  subscribe_some(peers, third, count, options);
  uint64_t cpu_up_ns = process_cpu_ns(pid);
  Memory up = process_memory(pid);
  idle(options->seconds);
  Memory settled = process_memory(pid);
  uint64_t cpu_idle_ns = process_cpu_ns(pid) - cpu_up_ns;

  json_begin("hold");
  json_number("connections", count, 0);
  json_number("filters_each", options->filters_each, 0);
  json_number("connects_per_s", count / seconds, 1);
  if (pid > 0) {
    json_number("cpu_us_per_connection", (double)(cpu_up_ns - cpu_before_ns) / 1e3 / count, 2);
    json_number("rss_before_kb", (double)before.rss_kb, 0);
    json_number("rss_up_kb", (double)up.rss_kb, 0);
    json_number("rss_settled_kb", (double)settled.rss_kb, 0);
    json_number("bytes_per_connection_up", bytes_each(before.rss_kb, up.rss_kb, count), 1);
    json_number("bytes_per_connection", bytes_each(before.rss_kb, settled.rss_kb, count), 1);
    json_number("bytes_per_connection_slope", bytes_each(at_third.rss_kb, settled.rss_kb, count - third), 1);
    json_number("pss_bytes_per_connection", bytes_each(before.pss_kb, settled.pss_kb, count), 1);
    json_number("anon_bytes_per_connection", bytes_each(before.anon_kb, settled.anon_kb, count), 1);
    json_number("idle_cpu_percent", options->seconds > 0 ? (double)cpu_idle_ns / 1e7 / options->seconds : 0, 3);
  }
  json_end();
}
