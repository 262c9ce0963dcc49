#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gauge.h"

enum {
  EVENTS = 512,
  READ_BYTES = 256 * 1024,
  /* Connections per source address: the ephemeral ports of one are soon used up, by those in TIME_WAIT as well. */
  PER_ADDRESS = 4000,
  ADDRESSES = 240,
};

static int epoll_fd = -1;
static Target target;
static Listener listener;
static struct sockaddr_in broker;
static unsigned opened_count;
static uint8_t *inbox; /* grows to the largest unfinished frame and one read */
static size_t inbox_room;

void loop_begin(const Target *to, const Listener *told) {
  struct rlimit limit;
  target = *to;
  listener = *told;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  broker.sin_family = AF_INET;
  broker.sin_port = htons((uint16_t)target.port);
  if (inet_pton(AF_INET, target.host, &broker.sin_addr) != 1) fail("%s is no IPv4 address", target.host);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) fail("epoll_create1: %s", strerror(errno));
}

uint8_t *peer_room(Peer *peer, size_t bytes) {
  if (peer->out_to + bytes > peer->out_room) {
    size_t waiting = peer_waiting(peer);
    if (waiting > 0) memmove(peer->out, peer->out + peer->out_from, waiting);
    peer->out_from = 0;
    peer->out_to = waiting;
    if (waiting + bytes > peer->out_room) {
      peer->out_room = (waiting + bytes) * 2;
      peer->out = realloc(peer->out, peer->out_room);
      if (peer->out == NULL) fail("out of memory");
    }
  }
  return peer->out + peer->out_to;
}

void peer_commit(Peer *peer, size_t bytes) { peer->out_to += bytes; }

size_t peer_waiting(const Peer *peer) { return peer->out_to - peer->out_from; }

static void watch(Peer *peer, int operation, bool with_write) {
  struct epoll_event event = {.events = EPOLLIN | (with_write ? EPOLLOUT : 0), .data.ptr = peer};
  if (epoll_ctl(epoll_fd, operation, peer->fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
  peer->is_waiting_to_write = with_write;
}

void peer_flush(Peer *peer) {
  while (peer->out_from < peer->out_to) {
    ssize_t sent = send(peer->fd, peer->out + peer->out_from, peer_waiting(peer), MSG_NOSIGNAL);
    if (sent >= 0) {
      peer->out_from += (size_t)sent;
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      fail("connection %d: send: %s", peer->index, strerror(errno));
    }
  }
  bool is_waiting = peer_waiting(peer) > 0;
  if (!is_waiting) peer->out_from = peer->out_to = 0;
  if (is_waiting != peer->is_waiting_to_write) watch(peer, EPOLL_CTL_MOD, is_waiting);
}

static void spread_over_addresses(int fd) {
  int one = 1;
  struct sockaddr_in source = {.sin_family = AF_INET};
  if ((ntohl(broker.sin_addr.s_addr) >> 24) != 127) return;
  source.sin_addr.s_addr = htonl(0x7f000002u + opened_count / PER_ADDRESS % ADDRESSES);
  /* The port is chosen by connect, which may take any that is free towards this broker. */
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0) fail("bind: %s", strerror(errno));
}

void peer_open(Peer *peer, int index, const char *name, int receive_buffer) {
  char client_id[64];
  int one = 1;
  memset(peer, 0, sizeof *peer);
  peer->index = index;
  peer->stage = OPENING;
  peer->opened_ns = now_ns();
  peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (peer->fd < 0) fail("socket: %s", strerror(errno));
  setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (receive_buffer > 0) setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  spread_over_addresses(peer->fd);
  opened_count++;
  if (connect(peer->fd, (struct sockaddr *)&broker, sizeof broker) != 0 && errno != EINPROGRESS)
    fail("connect to port %d: %s", target.port, strerror(errno));
  watch(peer, EPOLL_CTL_ADD, false);
  snprintf(client_id, sizeof client_id, "%s-%d-%d", name, (int)getpid(), index);
  peer_commit(peer, wire_connect(peer_room(peer, CONTROL_BYTES + sizeof client_id), target.version, client_id));
  peer_flush(peer);
}

void peer_close(Peer *peer) {
  peer_commit(peer, wire_empty(peer_room(peer, CONTROL_BYTES), DISCONNECT << 4));
  peer_flush(peer);
  close(peer->fd);
  free(peer->out);
  free(peer->rest);
  memset(peer, 0, sizeof *peer);
  peer->fd = -1;
}

void peer_stop_reading(Peer *peer) {
  if (epoll_ctl(epoll_fd, EPOLL_CTL_DEL, peer->fd, NULL) != 0) fail("epoll_ctl: %s", strerror(errno));
}

void peer_subscribe(Peer *peer, const char *filter, int qos) {
  uint8_t *out = peer_room(peer, TOPIC_BYTES_MAX + CONTROL_BYTES);
  if (++peer->last_packet_id == 0) peer->last_packet_id = 1;
  peer_commit(peer, wire_subscribe(out, target.version, peer->last_packet_id, filter, qos));
}

void peer_publish(Peer *peer, const Template *template, uint32_t counter, uint64_t stamp_ns) {
  uint8_t *out = peer_room(peer, template->frame_bytes);
  if (template->id_at > 0 && ++peer->last_packet_id == 0) peer->last_packet_id = 1;
  wire_publish(out, template, peer->last_packet_id, counter, stamp_ns);
  peer_commit(peer, template->frame_bytes);
  peer->published++;
}

static void answer(Peer *peer, int type, uint16_t packet_id) {
  peer_commit(peer, wire_ack(peer_room(peer, CONTROL_BYTES), type, packet_id));
}

static void take_message(Peer *peer, const Frame *frame, uint64_t arrived_ns) {
  Message message;
  if (!wire_message(frame, target.version, &message)) fail("connection %d: a malformed PUBLISH", peer->index);
  if (message.qos > 0) answer(peer, message.qos == 1 ? PUBACK : PUBREC, message.packet_id);
  listener.on_message(peer, &message, arrived_ns);
}

/* An acknowledgement from the broker; 5.0 adds a reason only when there is something to say. */
static void take_ack(Peer *peer, const Frame *frame) {
  if (frame->body_bytes < 2) fail("connection %d: packet type %d is too short", peer->index, frame->type);
  uint16_t packet_id = (uint16_t)(frame->body[0] << 8 | frame->body[1]);
  if (frame->body_bytes > 2 && frame->body[2] >= 0x80)
    fail("connection %d: the broker refuses a message, reason %d", peer->index, frame->body[2]);
  if (frame->type == PUBREC) answer(peer, PUBREL, packet_id);
  if (frame->type == PUBREL) answer(peer, PUBCOMP, packet_id);
  if (frame->type == PUBACK || frame->type == PUBCOMP) peer->settled++;
}

static void take_connack(Peer *peer, const Frame *frame) {
  if (frame->body_bytes < 2 || frame->body[1] != 0)
    fail("connection %d is refused, code %d", peer->index, frame->body_bytes < 2 ? -1 : frame->body[1]);
  peer->stage = CONNECTED;
  if (listener.on_connected != NULL) listener.on_connected(peer);
}

static void take_frame(Peer *peer, const Frame *frame, uint64_t arrived_ns) {
  switch (frame->type) {
    case PUBLISH:
      take_message(peer, frame, arrived_ns);
      return;
    case PUBACK:
    case PUBREC:
    case PUBREL:
    case PUBCOMP:
      take_ack(peer, frame);
      return;
    case CONNACK:
      take_connack(peer, frame);
      return;
    case SUBACK:
      if (frame->body_bytes < 3 || frame->body[frame->body_bytes - 1] >= 0x80)
        fail("connection %d: a subscription is refused", peer->index);
      peer->subacks++;
      return;
    case PINGRESP:
      peer->pongs++;
      return;
    case DISCONNECT:
      fail("connection %d: the broker says goodbye, reason 0x%02x%s", peer->index,
           frame->body_bytes > 0 ? frame->body[0] : 0,
           frame->body_bytes > 0 && frame->body[0] == 0x93 ? ": --window is above its receive maximum" : "");
    default:
      fail("connection %d: packet type %d was not expected", peer->index, frame->type);
  }
}

/* Puts what was left over in front, reads once behind it; how many bytes lie in the inbox now, 0 for none. */
static size_t fill_inbox(Peer *peer) {
  size_t rest = peer->rest_bytes;
  if (inbox_room < rest + READ_BYTES) {
    inbox_room = rest * 2 + READ_BYTES;
    free(inbox);
    inbox = malloc(inbox_room);
    if (inbox == NULL) fail("out of memory");
  }
  if (rest > 0) memcpy(inbox, peer->rest, rest);
  ssize_t count = recv(peer->fd, inbox + rest, READ_BYTES, 0);
  if (count == 0) fail("connection %d is closed by the broker", peer->index);
  if (count > 0) return rest + (size_t)count;
  if (errno == EAGAIN || errno == EINTR) return 0;
  fail("connection %d: %s", peer->index, strerror(errno));
}

static void keep_rest(Peer *peer, const uint8_t *bytes, size_t count) {
  if (count > peer->rest_room) {
    peer->rest_room = count * 2;
    free(peer->rest);
    peer->rest = malloc(peer->rest_room);
    if (peer->rest == NULL) fail("out of memory");
  }
  if (count > 0) memcpy(peer->rest, bytes, count);
  peer->rest_bytes = count;
}

static void read_peer(Peer *peer) {
  Frame frame;
  int found = 0;
  size_t at = 0, count = fill_inbox(peer);
  if (count == 0) return;
  uint64_t arrived_ns = now_ns();
  while (at < count && (found = wire_frame(inbox + at, count - at, &frame)) > 0) {
    take_frame(peer, &frame, arrived_ns);
    at += frame.frame_bytes;
  }
  if (found < 0) fail("connection %d: malformed bytes", peer->index);
  keep_rest(peer, inbox + at, count - at);
}

void loop_once(int wait_ms) {
  struct epoll_event events[EVENTS];
  int count = epoll_wait(epoll_fd, events, EVENTS, wait_ms);
  for (int at = 0; at < count; at++) {
    Peer *peer = events[at].data.ptr;
    if (events[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_peer(peer);
    if (peer->stage != CLOSED && (peer_waiting(peer) > 0 || peer->is_waiting_to_write)) peer_flush(peer);
  }
}
