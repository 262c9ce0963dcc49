/* Publishers, subscribers and what they have told each other: the part that flow, pace and retained share. */
#ifndef ZLOAD_TRAFFIC_H
#define ZLOAD_TRAFFIC_H
#include "modes.h"

typedef struct {
  const Options *options;
  int reader_count; /* subscribers that read */
  Peer *readers;    /* the stalled ones follow */
  Peer *publishers;
  Template *templates;
  uint32_t *fanout;      /* deliveries that one message of this publisher makes, stalled subscribers left out */
  uint64_t fanout_total; /* over all publishers */
  Peer extra;            /* holds the filters that match nothing */

  uint64_t expected;  /* deliveries of all that was published */
  uint64_t delivered; /* of these arrived */
  uint64_t published;

  /* Latencies of messages published from the first to before the second time; 0 and 0: none. */
  uint64_t measure_from_ns, measure_to_ns;
  Histogram *latency;
} Traffic;

/* The counted part of a run: what was there when it began. */
typedef struct {
  uint64_t began_ns, cpu_ns, waited_ns, own_ns, delivered, published;
} Mark;

/* Publishes the messages to be retained, connects, subscribes. There is one Traffic in a program. */
void traffic_begin(Traffic *traffic, const Options *options);

/* The loop's listener; for modes that have other connections as well. */
void traffic_message(Peer *peer, const Message *message, uint64_t arrived_ns);

/* One message of publisher `index` into its buffer; peer_flush sends it. */
void traffic_publish(Traffic *traffic, int index, uint64_t stamp_ns);

Mark traffic_mark(const Traffic *traffic);

/* Waits up to so long for what is still to come. */
void traffic_drain(Traffic *traffic, double seconds);

/* The line of a run that was counted since `mark` and ends now; `mode`-specific values may follow before json_end. */
void traffic_report(const Traffic *traffic, const char *mode, const Mark *mark, const Mark *end);

/* Waits until `is_done` holds; fails when `seconds` pass. */
void wait_for(bool (*is_done)(const void *subject), const void *subject, const char *what, double seconds);

/* Publishes `count` different messages with RETAIN and waits until the broker has taken all of them. */
void publish_retained(const Options *options, int count);

#endif
