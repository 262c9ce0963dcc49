/*
 * A load for brokers that keep what they take: MQTT 3.1.1, one thread on epoll, one line of JSON. zload has no sessions
 * that outlive their connection, no order that is checked, and spins where this sleeps: the store needs the processor.
 *
 *   durability-load subscribe -p PORT --name ID --prefix P   a durable session with the filter P/#, then disconnects
 *   durability-load publish -p PORT ...    closed loop (--window) or a fixed --rate, for --secs or until --count
 *   durability-load receive -p PORT --name ID --count N      takes what waits for a durable session
 *   durability-load probe -p PORT --rate N --secs S          QoS 0 through the broker: its latency
 *
 * Each message carries its publisher and its number, so that a receiver sees gaps, repetitions and disorder.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  PUBS_MAX = 1000,
  WINDOW_MAX = 30000,
  HEAD_BYTES = 16, /* of a payload: time, publisher, number */
  BYTES_MAX = 1024,
  FRAME_MAX = BYTES_MAX + 256,
  READ_BYTES = 256 * 1024,
  OUT_BYTES_MAX = 256 * 1024, /* a publisher with more than that waits */
  LATENCIES_MAX = 8 * 1000 * 1000,
  WAIT_SECONDS = 60,
  RUN_SECONDS_MAX = 1800,
};

typedef struct {
  int fd;
  uint32_t index;
  bool is_connected, is_subscribed, has_pong, is_writing, has_session;
  uint8_t *in, *out;
  size_t in_bytes, out_from, out_to, out_room;
  uint64_t sent, acked;
  uint64_t *sent_ns; /* of those under way, by number modulo WINDOW_MAX */
} Peer;

static struct {
  const char *mode, *name, *prefix, *ledger;
  int port, pubs, window, bytes, qos, topics, is_retained, is_online, is_until_closed;
  double secs, warm, rate, quiet;
  uint64_t count;
} given = {.name = "durable", .prefix = "load", .pubs = 1, .window = 1, .bytes = 64, .qos = 1, .topics = 1, .secs = 3,
           .quiet = 10};

static int loop_fd;
static Peer publishers[PUBS_MAX], reader;
static uint64_t expected[PUBS_MAX]; /* the number of the next message of each publisher */
static uint64_t received, repeated, missing, ack_disorder;
static uint64_t first_ns, last_ns;
static uint64_t count_from_ns, count_to_ns = UINT64_MAX; /* what was sent meanwhile has its latency counted */
static float *latencies_us;
static size_t latency_count;
static bool has_closed;

static _Noreturn void fail(const char *format, ...) {
  va_list list;
  va_start(list, format);
  fputs("durability-load: ", stderr);
  vfprintf(stderr, format, list);
  fputc('\n', stderr);
  va_end(list);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add_latency(uint64_t from_ns, uint64_t to_ns) {
  if (from_ns < count_from_ns || from_ns >= count_to_ns || latency_count == LATENCIES_MAX) return;
  latencies_us[latency_count++] = (float)((double)(to_ns - from_ns) / 1e3);
}

/* ------------------------------------------------------------------------------------------------------- sockets */

static void watch(Peer *peer, int operation) {
  struct epoll_event event = {.events = EPOLLIN | (peer->is_writing ? EPOLLOUT : 0), .data.ptr = peer};
  if (epoll_ctl(loop_fd, operation, peer->fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
}

static void closed(const char *why) {
  if (!given.is_until_closed) fail("the broker closed a connection: %s", why);
  has_closed = true;
}

static void flush(Peer *peer) {
  while (peer->out_from < peer->out_to) {
    ssize_t n = send(peer->fd, peer->out + peer->out_from, peer->out_to - peer->out_from, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) {
      closed(strerror(errno));
      return;
    }
    if (n < 0) break;
    peer->out_from += (size_t)n;
  }
  if (peer->out_from == peer->out_to) peer->out_from = peer->out_to = 0;
  bool must_wait = peer->out_to > 0;
  if (must_wait == peer->is_writing) return;
  peer->is_writing = must_wait;
  watch(peer, EPOLL_CTL_MOD);
}

static uint8_t *room(Peer *peer, size_t bytes) {
  if (peer->out_to + bytes > peer->out_room) {
    peer->out_room = (peer->out_to + bytes) * 2;
    peer->out = realloc(peer->out, peer->out_room);
    if (peer->out == NULL) fail("out of memory");
  }
  return peer->out + peer->out_to;
}

static size_t put_length(uint8_t *out, size_t value) {
  size_t at = 0;
  do {
    uint8_t digit = value % 128;
    value /= 128;
    out[at++] = value > 0 ? digit | 0x80 : digit;
  } while (value > 0);
  return at;
}

static size_t put_text(uint8_t *out, const char *text) {
  size_t length = strlen(text);
  out[0] = (uint8_t)(length >> 8);
  out[1] = (uint8_t)length;
  memcpy(out + 2, text, length);
  return length + 2;
}

/* Writes a whole packet and sends what waits. */
static void put_packet(Peer *peer, uint8_t first, const uint8_t *body, size_t body_bytes) {
  uint8_t *out = room(peer, body_bytes + 5);
  size_t at = 1;
  out[0] = first;
  at += put_length(out + at, body_bytes);
  if (body_bytes > 0) memcpy(out + at, body, body_bytes);
  peer->out_to += at + body_bytes;
}

static void open_peer(Peer *peer, const char *id, bool is_clean) {
  static const uint8_t HEAD[] = {0, 4, 'M', 'Q', 'T', 'T', 4};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)given.port)};
  uint8_t body[128];
  int one = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  peer->in = malloc(READ_BYTES);
  peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (peer->in == NULL || peer->fd < 0) fail("no socket: %s", strerror(errno));
  if (connect(peer->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect: %s", strerror(errno));
  setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (fcntl(peer->fd, F_SETFL, O_NONBLOCK) != 0) fail("cannot make a socket non-blocking");
  watch(peer, EPOLL_CTL_ADD);
  memcpy(body, HEAD, sizeof HEAD);
  size_t at = sizeof HEAD;
  body[at++] = is_clean ? 2 : 0;
  body[at++] = 0; /* no keep alive: a broker that is slow is not to be given up */
  body[at++] = 0;
  at += put_text(body + at, id);
  put_packet(peer, 0x10, body, at);
  flush(peer);
}

/* ------------------------------------------------------------------------------------------------------- packets */

static void on_message(Peer *peer, const uint8_t *body, size_t bytes, int qos, uint64_t arrived_ns) {
  size_t at = 2 + ((size_t)body[0] << 8 | body[1]);
  uint8_t ack[4] = {0x40, 2};
  if (qos > 0) {
    memcpy(ack + 2, body + at, 2);
    at += 2;
    memcpy(room(peer, 4), ack, 4);
    peer->out_to += 4;
  }
  if (bytes < at + HEAD_BYTES) fail("a message that is not ours");
  uint64_t stamp_ns;
  uint32_t publisher, number;
  memcpy(&stamp_ns, body + at, 8);
  memcpy(&publisher, body + at + 8, 4);
  memcpy(&number, body + at + 12, 4);
  if (publisher >= PUBS_MAX) fail("a message of publisher %u", publisher);
  if (first_ns == 0) first_ns = arrived_ns;
  last_ns = arrived_ns;
  if (number < expected[publisher]) {
    repeated++;
    return;
  }
  missing += number - expected[publisher];
  expected[publisher] = (uint64_t)number + 1;
  received++;
  if (given.mode[0] == 'p' && given.mode[1] == 'r') add_latency(stamp_ns, arrived_ns);
}

static void on_puback(Peer *peer, const uint8_t *body, uint64_t arrived_ns) {
  uint16_t id = (uint16_t)(body[0] << 8 | body[1]);
  if (peer->acked >= peer->sent) fail("a PUBACK for nothing");
  if (id != peer->acked % 65535 + 1) ack_disorder++;
  add_latency(peer->sent_ns[peer->acked % WINDOW_MAX], arrived_ns);
  peer->acked++;
}

static void on_packet(Peer *peer, uint8_t first, const uint8_t *body, size_t bytes, uint64_t arrived_ns) {
  switch (first >> 4) {
    case 2:
      if (bytes < 2 || body[1] != 0) fail("refused: CONNACK %u", bytes < 2 ? 0 : body[1]);
      peer->is_connected = true;
      peer->has_session = body[0] & 1;
      return;
    case 3:
      on_message(peer, body, bytes, first >> 1 & 3, arrived_ns);
      return;
    case 4:
      on_puback(peer, body, arrived_ns);
      return;
    case 9:
      if (body[2] > 2) fail("the subscription was refused");
      peer->is_subscribed = true;
      return;
    case 13:
      peer->has_pong = true;
      return;
    default:
      fail("packet of type %u", first >> 4);
  }
}

static void take_packets(Peer *peer, uint64_t arrived_ns) {
  size_t from = 0;
  for (;;) {
    size_t at = from + 1, length = 0;
    int shift = 0;
    bool is_whole = false;
    for (; at < peer->in_bytes && shift < 28; shift += 7) {
      uint8_t digit = peer->in[at++];
      length |= (size_t)(digit & 127) << shift;
      if ((is_whole = digit < 128)) break;
    }
    if (!is_whole || at + length > peer->in_bytes) break;
    on_packet(peer, peer->in[from], peer->in + at, length, arrived_ns);
    from = at + length;
  }
  memmove(peer->in, peer->in + from, peer->in_bytes - from);
  peer->in_bytes -= from;
}

static void take(Peer *peer) {
  ssize_t n = recv(peer->fd, peer->in + peer->in_bytes, READ_BYTES - peer->in_bytes, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    closed(n == 0 ? "end of stream" : strerror(errno));
    return;
  }
  peer->in_bytes += (size_t)n;
  take_packets(peer, now_ns());
  flush(peer);
}

static void loop_once(int wait_ms) {
  struct epoll_event events[256];
  int count = epoll_wait(loop_fd, events, 256, wait_ms);
  for (int at = 0; at < count && !has_closed; at++) {
    Peer *peer = events[at].data.ptr;
    if (events[at].events & EPOLLOUT) flush(peer);
    if (!has_closed && events[at].events & ~(uint32_t)EPOLLOUT) take(peer);
  }
}

static void wait_for(const bool *is_done, const char *what) {
  uint64_t end_ns = now_ns() + WAIT_SECONDS * 1000000000ull;
  while (!*is_done) {
    if (now_ns() > end_ns || has_closed) fail("no %s", what);
    loop_once(10);
  }
}

static void subscribe(Peer *peer, int qos) {
  uint8_t body[256] = {0, 1};
  char filter[128];
  snprintf(filter, sizeof filter, "%s/#", given.prefix);
  size_t at = 2 + put_text(body + 2, filter);
  body[at++] = (uint8_t)qos;
  put_packet(peer, 0x82, body, at);
  flush(peer);
  wait_for(&peer->is_subscribed, "SUBACK");
}

static void disconnect(Peer *peer) {
  put_packet(peer, 0xe0, NULL, 0);
  flush(peer);
  shutdown(peer->fd, SHUT_WR);
  /* The broker has taken it all when it closes as well. */
  for (char byte; recv(peer->fd, &byte, 1, 0) != 0 && (errno == EAGAIN || errno == EINTR);) usleep(1000);
  close(peer->fd);
}

static void publish(Peer *peer) {
  char topic[160];
  uint8_t body[FRAME_MAX];
  uint32_t index = (uint32_t)((peer->sent * (uint64_t)given.pubs + peer->index) % (uint64_t)given.topics);
  uint32_t number = (uint32_t)peer->sent;
  uint64_t stamp_ns = now_ns();
  snprintf(topic, sizeof topic, "%s/line%u/tag%u", given.prefix, index / 100, index);
  size_t at = put_text(body, topic);
  if (given.qos > 0) {
    uint16_t id = (uint16_t)(peer->sent % 65535 + 1);
    body[at++] = (uint8_t)(id >> 8);
    body[at++] = (uint8_t)id;
  }
  memset(body + at, 'x', (size_t)given.bytes);
  memcpy(body + at, &stamp_ns, 8);
  memcpy(body + at + 8, &peer->index, 4);
  memcpy(body + at + 12, &number, 4);
  put_packet(peer, (uint8_t)(0x30 | given.qos << 1 | given.is_retained), body, at + (size_t)given.bytes);
  peer->sent_ns[peer->sent % WINDOW_MAX] = stamp_ns;
  peer->sent++;
}

/* -------------------------------------------------------------------------------------------------------- modes */

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void print_latency(void) {
  if (latency_count == 0) return;
  qsort(latencies_us, latency_count, sizeof *latencies_us, by_size);
  printf(",\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f", latencies_us[latency_count / 2],
         latencies_us[(size_t)((double)latency_count * 0.99)], latencies_us[latency_count - 1]);
}

static void print_received(void) {
  printf(",\"received\":%llu,\"repeated\":%llu,\"missing\":%llu", (unsigned long long)received,
         (unsigned long long)repeated, (unsigned long long)missing);
}

/* Acknowledged and not received, publisher by publisher: one that has more than that makes up for no other. */
static uint64_t count_lost(const uint64_t *acked) {
  uint64_t lost = missing;
  for (int index = 0; index < PUBS_MAX; index++)
    if (acked[index] > expected[index]) lost += acked[index] - expected[index];
  return lost;
}

/* The ledger: how many messages of each publisher were acknowledged, a line for each. */
static void write_ledger(const uint64_t *acked) {
  FILE *file = fopen(given.ledger, "w");
  if (file == NULL) fail("%s: %s", given.ledger, strerror(errno));
  for (int index = 0; index < given.pubs; index++) fprintf(file, "%llu\n", (unsigned long long)acked[index]);
  if (fclose(file) != 0) fail("%s: %s", given.ledger, strerror(errno));
}

static void read_ledger(uint64_t *acked) {
  unsigned long long value;
  FILE *file = fopen(given.ledger, "r");
  if (file == NULL) fail("%s: %s", given.ledger, strerror(errno));
  for (int index = 0; index < PUBS_MAX && fscanf(file, "%llu", &value) == 1; index++) acked[index] = value;
  fclose(file);
}

static uint64_t total(bool is_acked) {
  uint64_t sum = 0;
  for (int index = 0; index < given.pubs; index++) sum += is_acked ? publishers[index].acked : publishers[index].sent;
  return sum;
}

static void open_publishers(const char *kind) {
  char id[64];
  for (int index = 0; index < given.pubs; index++) {
    Peer *peer = &publishers[index];
    peer->index = (uint32_t)index;
    peer->sent_ns = calloc(WINDOW_MAX, sizeof *peer->sent_ns);
    if (peer->sent_ns == NULL) fail("out of memory");
    snprintf(id, sizeof id, "%s%d-%d", kind, (int)getpid(), index);
    open_peer(peer, id, true);
    wait_for(&peer->is_connected, "CONNACK");
  }
}

/* What the window, or the rate until now, allows; with --count no more than that in all. */
static void fill(uint64_t began_ns) {
  static uint64_t turn;
  if (given.rate > 0) {
    uint64_t due = (uint64_t)((double)(now_ns() - began_ns) / 1e9 * given.rate);
    for (; turn < due && (given.count == 0 || turn < given.count); turn++) {
      Peer *peer = &publishers[turn % (uint64_t)given.pubs];
      if (given.qos > 0 && peer->sent - peer->acked >= WINDOW_MAX) fail("the broker is behind by %d", WINDOW_MAX);
      publish(peer);
      flush(peer);
    }
    return;
  }
  uint64_t sent = total(false);
  for (int index = 0; index < given.pubs; index++) {
    Peer *peer = &publishers[index];
    bool has_sent = false;
    while ((given.qos == 0 || peer->sent - peer->acked < (uint64_t)given.window) &&
           peer->out_to - peer->out_from < OUT_BYTES_MAX && (given.count == 0 || sent < given.count)) {
      publish(peer);
      sent++;
      has_sent = true;
    }
    if (has_sent) flush(peer);
  }
}

static bool is_over(uint64_t end_ns) {
  if (has_closed) return true;
  if (given.count == 0) return now_ns() >= end_ns;
  return given.qos == 0 ? total(false) >= given.count : total(true) >= given.count;
}

/* Until everything that was sent has been taken: QoS 0 has no other sign than the answer to a PINGREQ. */
static void drain(void) {
  uint64_t end_ns = now_ns() + WAIT_SECONDS * 1000000000ull;
  if (has_closed) return;
  for (int index = 0; given.qos == 0 && index < given.pubs; index++) {
    put_packet(&publishers[index], 0xc0, NULL, 0);
    flush(&publishers[index]);
    wait_for(&publishers[index].has_pong, "PINGRESP");
  }
  while (given.qos > 0 && total(true) < total(false) && now_ns() < end_ns && !has_closed) loop_once(10);
  while (given.is_online && received < total(true) && now_ns() < end_ns && !has_closed) loop_once(10);
}

static void run_publish(void) {
  if (given.is_online) {
    open_peer(&reader, given.name, false);
    wait_for(&reader.is_connected, "CONNACK");
    subscribe(&reader, 1);
  }
  open_publishers("pub");
  uint64_t began_ns = now_ns();
  count_from_ns = began_ns + (uint64_t)(given.warm * 1e9);
  uint64_t end_ns = count_from_ns + (uint64_t)(given.secs * 1e9);
  uint64_t mark_ns = 0, acked = 0, delivered = 0, sent = 0;
  count_to_ns = given.count == 0 ? end_ns : UINT64_MAX;
  while (!is_over(end_ns)) {
    if (mark_ns == 0 && now_ns() >= count_from_ns) {
      mark_ns = now_ns();
      acked = total(true);
      sent = total(false);
      delivered = received;
    }
    fill(began_ns);
    loop_once(given.rate > 0 ? 1 : 10);
  }
  double seconds = (double)(now_ns() - mark_ns) / 1e9;
  acked = total(true) - acked;
  sent = total(false) - sent;
  delivered = received - delivered;
  drain();
  printf("{\"mode\":\"publish\",\"seconds\":%.3f,\"sent_per_s\":%.1f,\"acked_per_s\":%.1f,\"delivered_per_s\":%.1f", seconds,
         (double)sent / seconds, (double)acked / seconds, (double)delivered / seconds);
  printf(",\"sent\":%llu,\"acked\":%llu,\"ack_disorder\":%llu", (unsigned long long)total(false),
         (unsigned long long)total(true), (unsigned long long)ack_disorder);
  static uint64_t acked_each[PUBS_MAX];
  for (int index = 0; index < given.pubs; index++) acked_each[index] = publishers[index].acked;
  if (given.ledger != NULL) write_ledger(acked_each);
  if (given.is_online) printf(",\"lost\":%llu", (unsigned long long)count_lost(acked_each));
  print_received();
  print_latency();
  puts("}");
}

static void run_subscribe(void) {
  open_peer(&reader, given.name, false);
  wait_for(&reader.is_connected, "CONNACK");
  subscribe(&reader, 1);
  disconnect(&reader);
  puts("{\"mode\":\"subscribe\"}");
}

static void run_receive(void) {
  uint64_t began_ns = now_ns();
  open_peer(&reader, given.name, false);
  wait_for(&reader.is_connected, "CONNACK");
  uint64_t quiet_ns = (uint64_t)(given.quiet * 1e9);
  while (received < given.count) {
    loop_once(10);
    if (now_ns() > (last_ns > 0 ? last_ns : began_ns) + quiet_ns) break;
  }
  disconnect(&reader);
  double seconds = received > 1 ? (double)(last_ns - first_ns) / 1e9 : 0;
  printf("{\"mode\":\"receive\",\"session_present\":%d,\"seconds\":%.3f,\"received_per_s\":%.1f", reader.has_session, seconds,
         seconds > 0 ? (double)received / seconds : 0);
  static uint64_t acked_each[PUBS_MAX];
  if (given.ledger != NULL) {
    read_ledger(acked_each);
    printf(",\"lost\":%llu", (unsigned long long)count_lost(acked_each));
  }
  printf(",\"first_ms\":%.1f", first_ns > 0 ? (double)(first_ns - began_ns) / 1e6 : -1);
  print_received();
  puts("}");
}

static void run_probe(void) {
  given.qos = 0;
  open_peer(&reader, "probe-reader", true);
  wait_for(&reader.is_connected, "CONNACK");
  subscribe(&reader, 0);
  open_publishers("probe");
  uint64_t began_ns = now_ns();
  count_from_ns = began_ns + (uint64_t)(given.warm * 1e9);
  count_to_ns = count_from_ns + (uint64_t)(given.secs * 1e9);
  while (now_ns() < count_to_ns) {
    fill(began_ns);
    loop_once(1);
  }
  uint64_t end_ns = now_ns() + 5000000000ull;
  while (received < total(false) && now_ns() < end_ns) loop_once(10);
  printf("{\"mode\":\"probe\",\"sent\":%llu", (unsigned long long)total(false));
  print_received();
  print_latency();
  puts("}");
}

/* ------------------------------------------------------------------------------------------------------- options */

static double number(const char *name, const char *text, double min, double max) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= min && value <= max))
    fail("%s %s: expected a number from %g to %g", name, text, min, max);
  return value;
}

static void parse_option(const char *name, const char *text) {
  const struct {
    const char *name;
    int *value;
    int min, max;
  } integers[] = {
      {"-p", &given.port, 1, 65535},          {"--pubs", &given.pubs, 1, PUBS_MAX},
      {"--window", &given.window, 1, WINDOW_MAX}, {"--bytes", &given.bytes, HEAD_BYTES, BYTES_MAX},
      {"--qos", &given.qos, 0, 1},            {"--topics", &given.topics, 1, 100000000},
      {"--retain", &given.is_retained, 0, 1}, {"--online", &given.is_online, 0, 1},
      {"--until-closed", &given.is_until_closed, 0, 1},
  };
  const struct {
    const char *name;
    double *value;
  } reals[] = {{"--secs", &given.secs}, {"--warm", &given.warm}, {"--rate", &given.rate}, {"--quiet", &given.quiet}};
  for (size_t at = 0; at < sizeof integers / sizeof *integers; at++)
    if (strcmp(integers[at].name, name) == 0) {
      *integers[at].value = (int)number(name, text, integers[at].min, integers[at].max);
      return;
    }
  for (size_t at = 0; at < sizeof reals / sizeof *reals; at++)
    if (strcmp(reals[at].name, name) == 0) {
      *reals[at].value = number(name, text, 0, 1e7);
      return;
    }
  if (strcmp(name, "--count") == 0) given.count = (uint64_t)number(name, text, 1, 1e8);
  else if (strcmp(name, "--name") == 0 && strlen(text) < 64) given.name = text;
  else if (strcmp(name, "--prefix") == 0 && strlen(text) < 64) given.prefix = text;
  else if (strcmp(name, "--ledger") == 0) given.ledger = text;
  else fail("%s %s: no such option", name, text);
}

int main(int count, char **arguments) {
  static const struct {
    const char *name;
    void (*run)(void);
  } MODES[] = {{"subscribe", run_subscribe}, {"publish", run_publish}, {"receive", run_receive}, {"probe", run_probe}};
  if (count < 2 || count % 2 != 0) fail("expected a mode, then options that have a value each");
  given.mode = arguments[1];
  for (int at = 2; at < count; at += 2) parse_option(arguments[at], arguments[at + 1]);
  if (given.port == 0) fail("-p is missing");
  loop_fd = epoll_create1(EPOLL_CLOEXEC);
  latencies_us = malloc(LATENCIES_MAX * sizeof *latencies_us);
  if (loop_fd < 0 || latencies_us == NULL) fail("cannot begin: %s", strerror(errno));
  /* Whatever hangs ends. */
  alarm(RUN_SECONDS_MAX);
  for (size_t at = 0; at < sizeof MODES / sizeof *MODES; at++) {
    if (strcmp(MODES[at].name, given.mode) != 0) continue;
    MODES[at].run();
    return 0;
  }
  fail("%s: no such mode", given.mode);
}
