/*
 * Open-loop HTTP/1.1 client at a fixed rate. Requests fall due by the clock, whether or not earlier ones have been
 * answered; one that finds no free connection waits with its time running, so a slow proxy cannot slow the questions
 * down. C, because a client with a garbage collector and an event loop of its own measures those too: the same in Node saw a
 * median of 34 us where this one sees 10.
 *
 * steady-client PORT PATH BODY_BYTES CONNECTIONS RATE SECONDS UNMEASURED_SECONDS
 * prints: requests seconds p50_us p99_us failures lateness_p99_us
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  int fd;
  double due;    /* seconds on the clock of now() */
  long received; /* of the reply under way */
  long expected; /* 0 until its head has been read */
} connection;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
  fprintf(stderr, "steady-client: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double percentile_micros(double *values, long count, double share) {
  if (count <= 0) return 0;
  qsort(values, count, sizeof *values, ascending);
  long rank = (long)(count * share + 0.999999);
  return values[rank > 0 ? rank - 1 : 0] * 1e6;
}

static int dial(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) die("fcntl");
  return fd;
}

/* The whole length of the reply that begins with these bytes, 0 when they are no complete head of a 200. */
static long reply_length(const char *bytes, long length, long body_bytes) {
  if (length < 12 || memcmp(bytes + 9, "200", 3) != 0) return 0;
  const char *end = memmem(bytes, length, "\r\n\r\n", 4);
  return end == NULL ? 0 : end - bytes + 4 + body_bytes;
}

int main(int argc, char **argv) {
  if (argc != 8) {
    fprintf(stderr, "steady-client PORT PATH BODY_BYTES CONNECTIONS RATE SECONDS UNMEASURED_SECONDS\n");
    return 2;
  }
  int port = atoi(argv[1]), count = atoi(argv[4]);
  long body_bytes = atol(argv[3]);
  double rate = atof(argv[5]), unmeasured_seconds = atof(argv[7]), seconds = atof(argv[6]) + unmeasured_seconds;
  long total = (long)(rate * seconds), unmeasured = (long)(rate * unmeasured_seconds);
  char request[512];
  int request_bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: gateway.bench.test\r\n\r\n", argv[2]);
  if (count < 1 || total < 1 || request_bytes >= (int)sizeof request) return 2;

  /* One slot for each request, in the order they fall due for `waiting` and `lateness`, in that of replies otherwise. */
  double *latencies = calloc(total, sizeof(double)), *lateness = calloc(total, sizeof(double));
  double *waiting = calloc(total, sizeof(double));
  connection *all = calloc(count, sizeof *all), **idle = calloc(count, sizeof *idle);
  struct epoll_event *events = calloc(count, sizeof *events);
  if (!latencies || !lateness || !waiting || !all || !idle || !events) die("calloc");
  int poll = epoll_create1(0), idle_count = 0;
  for (int i = 0; i < count; i++) {
    all[i].fd = dial(port);
    idle[idle_count++] = &all[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event) != 0) die("epoll_ctl");
  }
  prctl(PR_SET_TIMERSLACK, 1000UL); /* 1 us instead of 50 */

  long handed_out = 0, first_waiting = 0, last_waiting = 0, answered = 0, failures = 0;
  static char buffer[65536];
  double start = now(), deadline = start + seconds + 2; /* what is unanswered then is a failure */
  for (;;) {
    double at = now();
    if (answered + failures >= total || at > deadline) break;
    for (; handed_out < total && start + handed_out / rate <= at; handed_out++) {
      lateness[handed_out] = at - start - handed_out / rate;
      if (idle_count == 0) {
        waiting[last_waiting++] = at;
        continue;
      }
      connection *free_one = idle[--idle_count];
      free_one->due = now();
      if (write(free_one->fd, request, request_bytes) != request_bytes) failures++;
    }
    /* Not before 20 us from now: a wake-up for each request would cost more than the request. */
    double wait = handed_out < total ? start + handed_out / rate - now() : deadline - now();
    if (wait < 20e-6) wait = 20e-6;
    struct timespec timeout = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - (time_t)wait) * 1e9)};
    int ready = epoll_pwait2(poll, events, count, &timeout, NULL);
    if (ready < 0 && errno != EINTR) die("epoll_pwait2");
    for (int i = 0; i < ready; i++) {
      connection *c = events[i].data.ptr;
      long length = read(c->fd, buffer, sizeof buffer);
      if (length < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      /* A head comes in one piece: it is smaller than a segment, and proxies write it at once. */
      if (length > 0 && c->received == 0) c->expected = reply_length(buffer, length, body_bytes);
      if (length > 0) c->received += length;
      if (length > 0 && c->received < c->expected) continue;
      if (length <= 0 || c->received != c->expected) {
        failures++;
        close(c->fd); /* and never idle again */
        continue;
      }
      double done = now();
      latencies[answered++] = done - c->due;
      c->received = c->expected = 0;
      if (first_waiting == last_waiting) {
        idle[idle_count++] = c;
      } else {
        c->due = waiting[first_waiting++]; /* its time has been running */
        if (write(c->fd, request, request_bytes) != request_bytes) failures++;
      }
    }
  }
  if (failures < total - answered) failures = total - answered;
  double p50 = percentile_micros(latencies + unmeasured, answered - unmeasured, 0.50);
  double p99 = percentile_micros(latencies + unmeasured, answered - unmeasured, 0.99);
  double late = percentile_micros(lateness + unmeasured, handed_out - unmeasured, 0.99);
  printf("%ld %.3f %.1f %.1f %ld %.1f\n", answered, seconds, p50, p99, failures, late);
  return 0;
}
