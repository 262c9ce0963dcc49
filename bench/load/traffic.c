#include "traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gauge.h"

enum {
  WAIT_SECONDS = 60,
  STALLED_RECEIVE_BUFFER = 4096,
  AT_ONCE = 64, /* unfinished connections: fewer than the smallest backlog of a broker's listener */
  SEED_WAITING_MAX = 256 * 1024,
  EXTRA_AT_ONCE = 100,
};

static Traffic *current;

void traffic_message(Peer *peer, const Message *message, uint64_t arrived_ns) {
  Traffic *traffic = current;
  (void)peer;
  traffic->delivered++;
  if (traffic->measure_from_ns == 0 || message->payload_bytes < STAMP_BYTES) return;
  uint64_t stamp_ns;
  memcpy(&stamp_ns, message->payload, STAMP_BYTES);
  if (stamp_ns < traffic->measure_from_ns || stamp_ns >= traffic->measure_to_ns) return;
  histogram_add(traffic->latency, arrived_ns - stamp_ns);
}

void wait_for(bool (*is_done)(const void *), const void *subject, const char *what, double seconds) {
  uint64_t end_ns = now_ns() + (uint64_t)(seconds * 1e9);
  while (!is_done(subject)) {
    if (now_ns() > end_ns) fail("%s: nothing after %.0f s", what, seconds);
    loop_once(10);
  }
}

static bool is_connected(const void *peer) { return ((const Peer *)peer)->stage == CONNECTED; }
static bool is_subscribed(const void *peer) { return ((const Peer *)peer)->subacks > 0; }
static bool has_pong(const void *peer) { return ((const Peer *)peer)->pongs > 0; }

/* load/plant1/lineN/value, with more levels in between, and digits at the end where a publisher has many topics. */
static void write_topic(char *out, const Options *options, int publisher, const char *last) {
  int at = sprintf(out, "load/plant1/line%d", publisher);
  for (int level = 4; level < options->depth; level++) at += sprintf(out + at, "/l%d", level);
  sprintf(out + at, "/%s", last);
}

static void write_filter(char *out, const Options *options, int publisher) {
  if (options->fan != FAN_OWN) {
    strcpy(out, "load/#");
    return;
  }
  bool is_hash = options->filter_style == FILTER_HASH || options->topics > 1;
  write_topic(out, options, publisher, is_hash ? "#" : "value");
  if (options->filter_style == FILTER_PLUS) {
    char *plant = strstr(out, "plant1");
    memmove(plant + 1, plant + strlen("plant1"), strlen(plant + strlen("plant1")) + 1);
    *plant = '+';
  }
}

static void connect_all(Peer *peers, int count, const char *name, int stalled) {
  int ready = 0;
  for (int index = 0; index < count; index++) {
    peer_open(&peers[index], index, name, index >= count - stalled ? STALLED_RECEIVE_BUFFER : 0);
    if (index - ready + 1 < AT_ONCE) continue;
    wait_for(is_connected, &peers[ready], "CONNACK", WAIT_SECONDS);
    while (ready <= index && peers[ready].stage == CONNECTED) ready++;
  }
  for (; ready < count; ready++) wait_for(is_connected, &peers[ready], "CONNACK", WAIT_SECONDS);
}

static void subscribe_all(Traffic *traffic) {
  const Options *options = traffic->options;
  char filter[TOPIC_BYTES_MAX];
  int count = traffic->reader_count + options->stalled;
  for (int index = 0; index < count; index++) {
    Peer *peer = &traffic->readers[index];
    write_filter(filter, options, index % options->pubs);
    peer_subscribe(peer, filter, options->qos);
    peer_flush(peer);
    if (index % AT_ONCE == AT_ONCE - 1) wait_for(is_subscribed, peer, "SUBACK", WAIT_SECONDS);
  }
  for (int index = 0; index < count; index++)
    wait_for(is_subscribed, &traffic->readers[index], "SUBACK", WAIT_SECONDS);
  for (int index = traffic->reader_count; index < count; index++) peer_stop_reading(&traffic->readers[index]);
}

/* Four kinds in turn; each shares levels with the topics of the load and goes another way only at the end. */
static void write_extra_filter(char *out, int index) {
  switch (index % 4) {
    case 0:
      sprintf(out, "load/+/line%d/none%d", index % 1000, index);
      return;
    case 1:
      sprintf(out, "+/plant1/+/none%d", index);
      return;
    case 2:
      sprintf(out, "+/+/line%d/none%d/#", index % 1000, index);
      return;
    default:
      sprintf(out, "load/plant%d/+/#", index + 2);
  }
}

static void subscribe_extra(Traffic *traffic) {
  char filter[TOPIC_BYTES_MAX];
  Peer *extra = &traffic->extra;
  int count = traffic->options->extra_filters;
  if (count == 0) return;
  connect_all(extra, 1, "extra", 0);
  uint64_t end_ns = now_ns() + WAIT_SECONDS * 1000000000ull;
  for (int index = 0; index < count; index++) {
    write_extra_filter(filter, index);
    peer_subscribe(extra, filter, 0);
    if (index % EXTRA_AT_ONCE != EXTRA_AT_ONCE - 1 && index != count - 1) continue;
    peer_flush(extra);
    while (extra->subacks < (uint64_t)index + 1) {
      loop_once(10);
      if (now_ns() > end_ns) fail("SUBACK: not all after %d s", WAIT_SECONDS);
    }
  }
}

static void prepare_publishers(Traffic *traffic) {
  const Options *options = traffic->options;
  char topic[TOPIC_BYTES_MAX];
  bool is_counted = options->topics > 1;
  for (int index = 0; index < options->pubs; index++) {
    write_topic(topic, options, index, is_counted ? "value000000" : "value");
    traffic->templates[index] = wire_template(options->target.version, topic, options->qos, false,
                                              (size_t)options->payload_bytes, is_counted);
    if (options->fan != FAN_OWN) traffic->fanout[index] = (uint32_t)traffic->reader_count;
  }
  if (options->fan == FAN_OWN)
    for (int index = 0; index < traffic->reader_count; index++) traffic->fanout[index % options->pubs]++;
  for (int index = 0; index < options->pubs; index++) traffic->fanout_total += traffic->fanout[index];
}

void publish_retained(const Options *options, int count) {
  char topic[64];
  static Peer seed;
  connect_all(&seed, 1, "seed", 0);
  for (int index = 0; index < count; index++) {
    /* The topic differs at every level, so each message needs a template of its own. */
    sprintf(topic, "store/area%d/cell%d/tag%d", index / 10000, index / 100 % 100, index % 100);
    Template template =
        wire_template(options->target.version, topic, 0, true, (size_t)options->payload_bytes, false);
    peer_publish(&seed, &template, 0, 0);
    free(template.frame);
    if (peer_waiting(&seed) < SEED_WAITING_MAX) continue;
    peer_flush(&seed);
    while (peer_waiting(&seed) >= SEED_WAITING_MAX) loop_once(10);
  }
  /* The answer comes after all of them were taken: QoS 0 has no other sign. */
  peer_commit(&seed, wire_empty(peer_room(&seed, CONTROL_BYTES), 0xc0));
  peer_flush(&seed);
  wait_for(has_pong, &seed, "retained messages", 10 * WAIT_SECONDS);
  peer_close(&seed);
}

static void *zeroed(size_t count, size_t bytes) {
  void *memory = calloc(count > 0 ? count : 1, bytes);
  if (memory == NULL) fail("out of memory");
  return memory;
}

void traffic_begin(Traffic *traffic, const Options *options) {
  int subs = options->fan == FAN_ONE ? 1 : options->subs;
  memset(traffic, 0, sizeof *traffic);
  current = traffic;
  traffic->options = options;
  traffic->reader_count = subs - options->stalled;
  traffic->readers = zeroed((size_t)subs, sizeof(Peer));
  traffic->publishers = zeroed((size_t)options->pubs, sizeof(Peer));
  traffic->templates = zeroed((size_t)options->pubs, sizeof(Template));
  traffic->fanout = zeroed((size_t)options->pubs, sizeof(uint32_t));
  traffic->latency = zeroed(1, sizeof(Histogram));
  if (options->retained > 0) publish_retained(options, options->retained);
  connect_all(traffic->readers, subs, "sub", options->stalled);
  subscribe_all(traffic);
  subscribe_extra(traffic);
  connect_all(traffic->publishers, options->pubs, "pub", 0);
  prepare_publishers(traffic);
}

void traffic_publish(Traffic *traffic, int index, uint64_t stamp_ns) {
  Peer *peer = &traffic->publishers[index];
  uint32_t counter = (uint32_t)(peer->published % (uint64_t)traffic->options->topics);
  peer_publish(peer, &traffic->templates[index], counter, stamp_ns);
  traffic->published++;
  traffic->expected += traffic->fanout[index];
}

Mark traffic_mark(const Traffic *traffic) {
  int pid = traffic->options->broker_pid;
  return (Mark){.began_ns = now_ns(),
                .cpu_ns = process_cpu_ns(pid),
                .waited_ns = process_waited_ns(pid),
                .own_ns = own_cpu_ns(),
                .delivered = traffic->delivered,
                .published = traffic->published};
}

void traffic_drain(Traffic *traffic, double seconds) {
  uint64_t end_ns = now_ns() + (uint64_t)(seconds * 1e9);
  while (traffic->delivered < traffic->expected && now_ns() < end_ns) loop_once(10);
}

void traffic_report(const Traffic *traffic, const char *mode, const Mark *mark, const Mark *end) {
  const Options *options = traffic->options;
  double seconds = (double)(end->began_ns - mark->began_ns) / 1e9;
  double delivered = (double)(end->delivered - mark->delivered);
  double cpu_us = (double)(end->cpu_ns - mark->cpu_ns) / 1e3;
  json_begin(mode);
  json_number("pubs", options->pubs, 0);
  json_number("subs", traffic->reader_count, 0);
  json_number("qos", options->qos, 0);
  json_number("payload_bytes", options->payload_bytes, 0);
  json_number("seconds", seconds, 3);
  json_number("delivered_per_s", delivered / seconds, 1);
  json_number("published_per_s", (double)(end->published - mark->published) / seconds, 1);
  json_number("lost", (double)traffic->expected - (double)traffic->delivered, 0);
  if (options->broker_pid > 0) {
    if (delivered > 0) json_number("cpu_us_per_message", cpu_us / delivered, 4);
    json_number("broker_cpu_percent", cpu_us / seconds / 1e4, 1);
    json_number("broker_waited_percent", (double)(end->waited_ns - mark->waited_ns) / seconds / 1e7, 1);
  }
  json_number("load_cpu_percent", (double)(end->own_ns - mark->own_ns) / seconds / 1e7, 1);
  json_latency("", traffic->latency);
  json_memory(options);
}
