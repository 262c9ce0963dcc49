/*
 * Starts the broker and connects until it answers: the time from fork to the first CONNACK, and the memory it holds a
 * while later. The broker's own output is left to whoever started this.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gauge.h"
#include "modes.h"

enum { WAIT_SECONDS = 30, RETRY_NS = 500000, END_SECONDS = 10 };

static pid_t spawn_broker(char *const *command) {
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) fail("fork: %s", strerror(errno));
  if (pid > 0) return pid;
  /* Whatever ends this program ends the broker too. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is for the figures */
  if (getppid() != parent) _exit(127);
  execvp(command[0], command);
  _exit(127);
}

static void nap(uint64_t ns) {
  struct timespec time = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
  nanosleep(&time, NULL);
}

/* True when the broker has taken a CONNECT and answered it. */
static bool is_answering(const Target *target) {
  uint8_t bytes[CONTROL_BYTES];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)target->port)};
  bool is_good = false;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || inet_pton(AF_INET, target->host, &address.sin_addr) != 1) fail("no socket for %s", target->host);
  size_t count = wire_connect(bytes, target->version, "start");
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      send(fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count)
    is_good = recv(fd, bytes, 4, MSG_WAITALL) == 4 && bytes[0] >> 4 == CONNACK && bytes[3] == 0;
  close(fd);
  return is_good;
}

static void end_broker(pid_t pid) {
  uint64_t end_ns = now_ns() + END_SECONDS * 1000000000ull;
  kill(pid, SIGTERM);
  while (waitpid(pid, NULL, WNOHANG) == 0) {
    if (now_ns() > end_ns) kill(pid, SIGKILL);
    nap(RETRY_NS);
  }
}

void run_start(const Options *options) {
  uint64_t began_ns = now_ns();
  pid_t pid = spawn_broker(options->command);
  while (!is_answering(&options->target)) {
    if (waitpid(pid, NULL, WNOHANG) == pid) fail("the broker ended before it answered");
    if (now_ns() - began_ns > WAIT_SECONDS * 1000000000ull) {
      end_broker(pid);
      fail("no CONNACK after %d s", WAIT_SECONDS);
    }
    nap(RETRY_NS);
  }
  double ms = (double)(now_ns() - began_ns) / 1e6;
  double cpu_ms = (double)process_cpu_ns(pid) / 1e6;
  nap((uint64_t)(options->seconds * 1e9));
  Options measured = *options;
  measured.broker_pid = pid;
  json_begin("start");
  json_number("first_connack_ms", ms, 3);
  json_number("cpu_ms", cpu_ms, 3);
  json_memory(&measured);
  json_end();
  end_broker(pid);
}
