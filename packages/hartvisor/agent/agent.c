/*
 * The guest's side of vm.exec: starts programs, and carries their input, output and exit status over one port of the
 * virtio console. One process and no threads: everything waits in one ppoll. Every stream has a window, so that a
 * reader who is slow on the other side stops its own program and nobody else's.
 */
#include "protocol.h"
#include "syscalls.h"

enum { MAX_JOBS = 256, MAX_ARGUMENTS = 1024, PATH_LENGTH = 4096, STREAMS = 2 };

struct job {
  u32 id;
  int used;
  int pid;       /* 0: no process, but a file */
  int pidfd;     /* -1: it has ended, or there is none */
  int input;     /* what INPUT is written to, -1 once closed */
  int output[STREAMS];
  u32 credit[STREAMS]; /* how much the host still takes */
  int input_ended;     /* the host will send no more */
  u32 input_start, input_length;
  u32 kind, status; /* for EXIT, once pidfd is -1 */
  u8 buffer[INPUT_WINDOW];
};

static struct job jobs[MAX_JOBS];
static int port;
static u8 received[sizeof(struct header) + MAX_PAYLOAD];
static u32 received_length;
static u8 sending[sizeof(struct header) + MAX_PAYLOAD];

extern long start_child(void (*function)(void *), void *argument, void *stack_end);

void *memcpy(void *to, const void *from, size length) {
  for (size n = 0; n < length; n++) ((u8 *)to)[n] = ((const u8 *)from)[n];
  return to;
}

void *memset(void *to, int value, size length) {
  for (size n = 0; n < length; n++) ((u8 *)to)[n] = (u8)value;
  return to;
}

void *memmove(void *to, const void *from, size length) {
  if (to < from) return memcpy(to, from, length);
  while (length-- > 0) ((u8 *)to)[length] = ((const u8 *)from)[length];
  return to;
}

static size length_of(const char *text) {
  size length = 0;
  while (text[length]) length++;
  return length;
}

static int starts_with(const char *text, const char *prefix) {
  while (*prefix) if (*text++ != *prefix++) return 0;
  return 1;
}

static int is_equal(const char *one, const char *other) {
  return starts_with(one, other) && length_of(one) == length_of(other);
}

static void close_fd(int *fd) {
  if (*fd >= 0) CALL(SYS_close, *fd);
  *fd = -1;
}

/* ---- To the host ---------------------------------------------------------------------------------------------- */

/* Sends the frame whose payload stands in `sending`. The port blocks while the host is busy. */
static void send(u8 type, u8 stream, u32 job, u32 length) {
  struct header *header = (struct header *)sending;
  *header = (struct header){.type = type, .stream = stream, .job = job, .length = length};
  u32 total = sizeof *header + length;
  for (u32 done = 0; done < total;) {
    long count = CALL(SYS_write, port, sending + done, total - done);
    if (count > 0) done += count;
    else if (count == -EAGAIN) {
      struct pollfd poll = {.fd = port, .events = POLLOUT};
      CALL(SYS_ppoll, &poll, 1, 0, 0, 0);
    } else if (count != -EINTR) CALL(SYS_exit_group, 1); /* the device is gone */
  }
}

static void send_words(u8 type, u32 job, u32 first, u32 second, u32 words) {
  u32 values[2] = {first, second};
  memcpy(sending + sizeof(struct header), values, sizeof values);
  send(type, 0, job, 4 * words);
}

/* ---- Jobs ----------------------------------------------------------------------------------------------------- */

static struct job *find(u32 id) {
  for (int n = 0; n < MAX_JOBS; n++) if (jobs[n].used && jobs[n].id == id) return &jobs[n];
  return 0;
}

static struct job *begin(u32 id) {
  for (int n = 0; n < MAX_JOBS; n++) {
    struct job *job = &jobs[n];
    if (job->used) continue;
    job->id = id;
    job->used = 1;
    job->pid = 0;
    job->pidfd = job->input = job->output[0] = job->output[1] = -1;
    job->credit[0] = job->credit[1] = 0;
    job->input_ended = 0;
    job->input_start = job->input_length = 0;
    job->kind = EXITED;
    job->status = 0;
    return job;
  }
  send_words(EXIT, id, FAILED, EAGAIN, 2);
  return 0;
}

static void end(struct job *job) {
  close_fd(&job->input);
  send_words(EXIT, job->id, job->kind, job->status, 2);
  job->used = 0;
}

static void fail(struct job *job, int error) {
  job->kind = FAILED;
  job->status = error;
  for (int n = 0; n < STREAMS; n++) close_fd(&job->output[n]);
  end(job);
}

/* A job is over when its process is gone, its output is sent, and, for a file, its input is written. */
static void end_if_over(struct job *job) {
  if (job->pidfd >= 0 || job->output[0] >= 0 || job->output[1] >= 0) return;
  if (job->pid == 0 && job->input >= 0) return;
  end(job);
}

/* ---- Starting programs ---------------------------------------------------------------------------------------- */

struct program {
  char **arguments, **environment;
  const char *directory;
  int streams[3];
  volatile int error;
};

static u8 child_stack[16384] __attribute__((aligned(16)));

/* Runs in the child, which shares our memory until it executes another program: it must leave no trace in it. */
static void execute(void *argument) {
  struct program *program = argument;
  static const long no_signals[1];
  long default_action[3] = {0, 0, 0};
  CALL(SYS_rt_sigaction, SIGPIPE, default_action, 0, 8);
  CALL(SYS_rt_sigprocmask, 2, no_signals, 0, 8);
  CALL(SYS_setsid, 0);
  for (int n = 0; n < 3; n++) CALL(SYS_dup3, program->streams[n], n, 0);
  long result = program->directory[0] ? CALL(SYS_chdir, program->directory) : 0;
  if (result < 0) {
    program->error = -result;
    return;
  }
  const char *name = program->arguments[0];
  int has_slash = 0;
  for (const char *at = name; *at; at++) if (*at == '/') has_slash = 1;
  const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (char **entry = program->environment; *entry; entry++) if (starts_with(*entry, "PATH=")) path = *entry + 5;
  if (has_slash || !*name) {
    program->error = -CALL(SYS_execve, name, program->arguments, program->environment);
    return;
  }
  /* As execvp does: the next folder where there is no such program, and "permission denied" in the end if one was. */
  int denied = 0;
  size name_length = length_of(name);
  while (*path) {
    char full[PATH_LENGTH];
    size length = 0;
    while (*path && *path != ':') {
      if (length < sizeof full - 2) full[length++] = *path;
      path++;
    }
    if (*path == ':') path++;
    if (length + name_length + 2 > sizeof full) continue;
    if (length > 0) full[length++] = '/';
    memcpy(full + length, name, name_length + 1);
    result = CALL(SYS_execve, full, program->arguments, program->environment);
    if (result == -EACCES) denied = 1;
    else if (result != -ENOENT && result != -20 /* ENOTDIR */) {
      program->error = -result;
      return;
    }
  }
  program->error = denied ? EACCES : ENOENT;
}

static int make_pipe(int ends[2], int flags) {
  ends[0] = ends[1] = -1;
  return CALL(SYS_pipe2, ends, O_CLOEXEC | flags);
}

/* SPAWN: how many arguments, how many variables, then the folder, the arguments and the variables, each ended by a NUL. */
static void spawn(u32 id, u8 *payload, u32 length) {
  static char *strings[MAX_ARGUMENTS + 2];
  struct job *job = begin(id);
  if (!job) return;
  if (length < 9 || payload[length - 1] != 0) return fail(job, EINVAL);
  u32 counts[2];
  memcpy(counts, payload, sizeof counts);
  if (counts[0] == 0) return fail(job, EINVAL);
  if (counts[0] > MAX_ARGUMENTS || counts[1] > MAX_ARGUMENTS || counts[0] + counts[1] > MAX_ARGUMENTS) return fail(job, E2BIG);
  char *at = (char *)payload + 8, *stop = (char *)payload + length;
  const char *directory = at;
  at += length_of(at) + 1;
  u32 total = counts[0] + counts[1], slot = 0;
  for (u32 n = 0; n < total; n++) {
    if (at >= stop) return fail(job, EINVAL);
    if (n == counts[0]) strings[slot++] = 0;
    strings[slot++] = at;
    at += length_of(at) + 1;
  }
  if (counts[1] == 0) strings[slot++] = 0;
  strings[slot] = 0;

  int in[2], out[2], error[2];
  long result = make_pipe(in, 0);
  if (result >= 0) result = make_pipe(out, 0);
  else out[0] = out[1] = -1;
  if (result >= 0) result = make_pipe(error, 0);
  else error[0] = error[1] = -1;
  struct program program = {
    .arguments = strings,
    .environment = strings + counts[0] + 1,
    .directory = directory,
    .streams = {in[0], out[1], error[1]},
  };
  if (result >= 0) result = start_child(execute, &program, child_stack + sizeof child_stack);
  close_fd(&in[0]);
  close_fd(&out[1]);
  close_fd(&error[1]);
  job->input = in[1];
  job->output[0] = out[0];
  job->output[1] = error[0];
  if (result < 0) return fail(job, -result);
  job->pid = result;
  if (program.error) {
    CALL(SYS_wait4, job->pid, 0, 0, 0);
    return fail(job, program.error);
  }
  /* Only our ends do not block: the flag belongs to an end, and the program's are its own. */
  int *ends[] = {&job->input, &job->output[0], &job->output[1]};
  for (int n = 0; n < 3; n++) call6(25 /* fcntl */, *ends[n], 4 /* F_SETFL */, O_NONBLOCK, 0, 0, 0);
  job->pidfd = CALL(SYS_pidfd_open, job->pid, 0);
  if (job->pidfd < 0) {
    CALL(SYS_kill, -job->pid, SIGKILL);
    CALL(SYS_wait4, job->pid, 0, 0, 0);
    fail(job, ENOMEM);
  }
}

/* ---- Files ---------------------------------------------------------------------------------------------------- */

static void open_file(u32 id, u8 *payload, u32 length, int is_write) {
  struct job *job = begin(id);
  if (!job) return;
  if (length < 5 || payload[length - 1] != 0) return fail(job, EINVAL);
  u32 mode;
  memcpy(&mode, payload, 4);
  int flags = is_write ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
  long fd = CALL(SYS_openat, AT_FDCWD, payload + 4, flags | O_CLOEXEC, mode);
  if (fd < 0) return fail(job, -fd);
  if (is_write) job->input = fd;
  else job->output[0] = fd;
}

/* ---- Streams -------------------------------------------------------------------------------------------------- */

/* Writes what waits for a job's input; what nobody reads any more is dropped, as the host cannot take it back. */
static void write_input(struct job *job) {
  while (job->input >= 0 && job->input_length > 0) {
    u32 part = INPUT_WINDOW - job->input_start;
    if (part > job->input_length) part = job->input_length;
    long count = CALL(SYS_write, job->input, job->buffer + job->input_start, part);
    if (count == -EAGAIN) return;
    if (count == -EINTR) continue;
    if (count < 0) {
      if (job->pid == 0) return fail(job, -count);
      count = job->input_length;
      close_fd(&job->input);
    }
    job->input_start = (job->input_start + count) % INPUT_WINDOW;
    job->input_length -= count;
    send_words(INPUT_CREDIT, job->id, count, 0, 1);
  }
  if (job->input_ended && job->input_length == 0) {
    close_fd(&job->input);
    if (job->pid == 0) end_if_over(job);
  }
}

static void take_input(struct job *job, const u8 *bytes, u32 length) {
  if (job->input < 0) {
    send_words(INPUT_CREDIT, job->id, length, 0, 1);
    return;
  }
  if (length > INPUT_WINDOW - job->input_length) return; /* the host broke the window: its bug */
  for (u32 n = 0; n < length; n++) {
    job->buffer[(job->input_start + job->input_length++) % INPUT_WINDOW] = bytes[n];
  }
  write_input(job);
}

/* Sends what a stream has, as far as the host takes it. A program that has ended leaves what is in its pipe, no more. */
static void send_output(struct job *job, int n) {
  while (job->output[n] >= 0 && job->credit[n] > 0) {
    u32 room = job->credit[n] < MAX_PAYLOAD ? job->credit[n] : MAX_PAYLOAD;
    long count = CALL(SYS_read, job->output[n], sending + sizeof(struct header), room);
    if (count == -EINTR) continue;
    if (count == -EAGAIN && job->pidfd >= 0) return;
    if (count <= 0) {
      if (count < 0 && job->pid == 0) return fail(job, -count);
      close_fd(&job->output[n]);
      send(OUTPUT_END, n + 1, job->id, 0);
      return;
    }
    job->credit[n] -= count;
    send(OUTPUT, n + 1, job->id, count);
    if (count < (long)room && job->pidfd >= 0) return;
  }
}

static void reap(struct job *job) {
  int status = 0;
  if (CALL(SYS_wait4, job->pid, &status, 0, 0) == -EINTR) return;
  close_fd(&job->pidfd);
  job->kind = (status & 0x7f) ? SIGNALLED : EXITED;
  job->status = (status & 0x7f) ? (status & 0x7f) : (status >> 8) & 0xff;
}

/* ---- From the host -------------------------------------------------------------------------------------------- */

static void handle(struct header *header, u8 *payload) {
  u32 id = header->job, word = 0;
  struct job *job = find(id);
  if (header->length >= 4) memcpy(&word, payload, 4);
  switch (header->type) {
    case GREET: {
      /* A host that begins anew, after a restore or a reconnect, knows nothing of earlier jobs. */
      for (int n = 0; n < MAX_JOBS; n++) if (jobs[n].used && jobs[n].pid > 0 && jobs[n].pidfd >= 0) CALL(SYS_kill, -jobs[n].pid, SIGKILL);
      return send_words(HELLO, 0, PROTOCOL_VERSION, 0, 1);
    }
    case SPAWN:
      return spawn(id, payload, header->length);
    case READ_FILE:
    case WRITE_FILE:
      return open_file(id, payload, header->length, header->type == WRITE_FILE);
    case SYNC:
      CALL(SYS_sync, 0);
      return send_words(EXIT, id, EXITED, 0, 2);
  }
  if (!job) return; /* it ended while the frame was on its way */
  switch (header->type) {
    case INPUT:
      return take_input(job, payload, header->length);
    case INPUT_END:
      job->input_ended = 1;
      return write_input(job);
    case KILL:
      if (job->pid > 0 && job->pidfd >= 0) CALL(SYS_kill, -job->pid, word);
      else if (job->pid == 0) fail(job, EINTR);
      return;
    case OUTPUT_CREDIT:
      if (header->stream == 1 || header->stream == 2) job->credit[header->stream - 1] += word;
      return;
  }
}

static void receive(void) {
  for (;;) {
    long count = CALL(SYS_read, port, received + received_length, sizeof received - received_length);
    if (count == -EINTR) continue;
    if (count <= 0) return; /* nothing there; a port whose host is away reads as ended */
    received_length += count;
    u32 at = 0;
    while (received_length - at >= sizeof(struct header)) {
      struct header header;
      memcpy(&header, received + at, sizeof header);
      if (header.length > MAX_PAYLOAD) CALL(SYS_exit_group, 2); /* not our protocol: nothing can be read after it */
      if (received_length - at < sizeof header + header.length) break;
      handle(&header, received + at + sizeof header);
      at += sizeof header + header.length;
    }
    received_length -= at;
    memmove(received, received + at, received_length);
  }
}

/* ---- The loop ------------------------------------------------------------------------------------------------- */

static struct pollfd polls[1 + 4 * MAX_JOBS];
static struct job *poll_jobs[1 + 4 * MAX_JOBS];

static int add_poll(int count, struct job *job, int fd, short events) {
  polls[count] = (struct pollfd){.fd = fd, .events = events};
  poll_jobs[count] = job;
  return count + 1;
}

static void serve(void) {
  for (;;) {
    int count = add_poll(0, 0, port, POLLIN), is_ready = 0;
    for (int n = 0; n < MAX_JOBS; n++) {
      struct job *job = &jobs[n];
      if (!job->used) continue;
      if (job->pidfd >= 0) count = add_poll(count, job, job->pidfd, POLLIN);
      if (job->input >= 0 && job->input_length > 0) count = add_poll(count, job, job->input, POLLOUT);
      for (int stream = 0; stream < STREAMS; stream++) {
        if (job->output[stream] < 0 || job->credit[stream] == 0) continue;
        if (job->pidfd < 0) is_ready = 1; /* a file, or what is left in a pipe: nothing to wait for */
        else count = add_poll(count, job, job->output[stream], POLLIN);
      }
    }
    struct timespec at_once = {0, 0};
    long result = CALL(SYS_ppoll, polls, count, is_ready ? &at_once : 0, 0, 0);
    if (result == -EINTR) continue;
    /* Output before the end of its program: the pipes are looked at again after that. */
    for (int n = 1; n < count; n++) {
      struct job *job = poll_jobs[n];
      if (!polls[n].revents || !job->used) continue;
      if (polls[n].fd == job->output[0]) send_output(job, 0);
      else if (polls[n].fd == job->output[1]) send_output(job, 1);
      else if (polls[n].fd == job->input) write_input(job);
      else if (polls[n].fd == job->pidfd) reap(job);
    }
    for (int n = 0; n < MAX_JOBS; n++) {
      struct job *job = &jobs[n];
      for (int stream = 0; stream < STREAMS; stream++) if (job->used && job->pidfd < 0) send_output(job, stream);
      if (job->used) end_if_over(job);
    }
    if (polls[0].revents & POLLIN) receive();
    else if (polls[0].revents & (POLLHUP | POLLERR)) {
      struct timespec moment = {0, 50000000}; /* the host's end is closed */
      CALL(SYS_nanosleep, &moment, 0);
    }
  }
}

/* Finds the device node of the port called `name`; 0 if there is none. */
static int find_port(const char *name, char *path, size path_length) {
  static const char ports[] = "/sys/class/virtio-ports/";
  int folder = CALL(SYS_openat, AT_FDCWD, ports, O_RDONLY | O_CLOEXEC);
  if (folder < 0) return 0;
  static u8 entries[4096];
  long length;
  int found = 0;
  while (!found && (length = CALL(SYS_getdents64, folder, entries, sizeof entries)) > 0) {
    for (long at = 0; at < length && !found; at += *(unsigned short *)(entries + at + 16)) {
      const char *entry = (const char *)entries + at + 19;
      size entry_length = length_of(entry);
      if (entry[0] == '.' || sizeof ports + entry_length + 6 > path_length) continue;
      memcpy(path, ports, sizeof ports - 1);
      memcpy(path + sizeof ports - 1, entry, entry_length);
      memcpy(path + sizeof ports - 1 + entry_length, "/name", 6);
      int fd = CALL(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
      if (fd < 0) continue;
      char text[64];
      long count = CALL(SYS_read, fd, text, sizeof text - 1);
      CALL(SYS_close, fd);
      while (count > 0 && text[count - 1] == '\n') count--;
      text[count > 0 ? count : 0] = 0;
      if (!is_equal(text, name)) continue;
      memcpy(path, "/dev/", 5);
      memcpy(path + 5, entry, entry_length + 1);
      found = 1;
    }
  }
  CALL(SYS_close, folder);
  return found;
}

/* hartvisor-agent [PORT]: serves the port of that name until the machine ends; status 3 where there is none. */
int run(long *stack) {
  long count = stack[0];
  char **arguments = (char **)(stack + 1);
  const char *name = count > 1 ? arguments[1] : "hartvisor.exec";
  char path[256];
  port = -1;
  /* Drivers tell the names of ports a moment after they have found them. */
  for (int tries = 0; !find_port(name, path, sizeof path); tries++) {
    struct timespec moment = {0, 20000000};
    if (tries == 100) return 3;
    CALL(SYS_nanosleep, &moment, 0);
  }
  port = CALL(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (port < 0) return 3;
  long ignore[3] = {1, 0, 0};
  CALL(SYS_rt_sigaction, SIGPIPE, ignore, 0, 8);
  send_words(HELLO, 0, PROTOCOL_VERSION, 0, 1);
  serve();
  return 0;
}
