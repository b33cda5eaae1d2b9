// What several processes, or several descriptors, see of one file: locks, appending, FIFOs, sockets, programs that run.
#include "report.h"

struct lock {
  int16_t type, whence;
  int64_t start, length;
  int32_t process;
};

enum { F_SETFL = 4, F_GETLK = 5, F_SETLK = 6, F_SETLKW = 7, F_OFD_SETLK = 37, F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2 };
enum { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };
enum { AF_UNIX = 1, SOCK_STREAM = 1 };

static char buffer[4096];
static long file;

static long lock(long on, int command, int type, int64_t start, int64_t length) {
  struct lock wanted = {(int16_t)type, SEEK_SET, start, length, 0};
  return system_call3(SYS_FCNTL, on, command, (long)&wanted);
}

static void ask_for_locks(void) {
  long mine = must("a", open_file("a", O_RDWR, 0));
  say("another's, wanted", lock(mine, F_SETLK, F_WRLCK, 10, 5));
  say("another's, to share", lock(mine, F_SETLK, F_RDLCK, 12, 1));
  struct lock found = {F_WRLCK, SEEK_SET, 0, 100, 0};
  say("asked about", system_call3(SYS_FCNTL, mine, F_GETLK, (long)&found));
  say("start of what is in the way", found.start);
  say("length of what is in the way", found.length);
  say("kind of what is in the way", found.type);
  say_yes("its process is known", found.process > 0);
  say("shared, shared", lock(mine, F_SETLK, F_RDLCK, 40, 5));
  say("shared, wanted alone", lock(mine, F_SETLK, F_WRLCK, 40, 5));
  say("beside it", lock(mine, F_SETLK, F_WRLCK, 20, 10));
  say("in the gap", lock(mine, F_SETLK, F_WRLCK, 4, 2));
  say("up to the end", lock(mine, F_SETLK, F_WRLCK, 1000, 0));
}

static void ask_for_gap(void) {
  long mine = must("a", open_file("a", O_RDWR, 0));
  say("where the middle was given up", lock(mine, F_SETLK, F_WRLCK, 12, 1));
  say("in front of it", lock(mine, F_SETLK, F_WRLCK, 11, 1));
  say("behind it", lock(mine, F_SETLK, F_WRLCK, 13, 1));
}

static void ask_for_all(void) {
  long mine = must("a", open_file("a", O_RDWR, 0));
  say("all, when another descriptor was closed", lock(mine, F_SETLK, F_WRLCK, 0, 0));
}

static int waiting[2];

static void wait_for_lock(void) {
  long mine = must("a", open_file("a", O_RDWR, 0));
  write_file(waiting[1], "x", 1);
  say("waited for", lock(mine, F_SETLKW, F_WRLCK, 0, 0));
  buffer[0] = '?';
  read_at(mine, buffer, 1, 0);
  say_text("what was written before", buffer, 1);
}

static void byte_locks(void) {
  about("lock");
  make_file("a", "0123456789");
  file = must("a", open_file("a", O_RDWR, 0));
  say("taken", lock(file, F_SETLK, F_WRLCK, 10, 5));
  say("taken to share", lock(file, F_SETLK, F_RDLCK, 40, 5));
  in_child(ask_for_locks);
  say("the middle given up", lock(file, F_SETLK, F_UNLCK, 12, 1));
  in_child(ask_for_gap);
  // Closing any descriptor of the file gives up all locks of the process (fcntl(2)).
  close_file(must("a", open_file("a", O_RDONLY, 0)));
  in_child(ask_for_all);
  say("to write, by who may only read", lock(must("a", open_file("a", O_RDONLY, 0)), F_SETLK, F_WRLCK, 0, 1));

  must("lock", lock(file, F_SETLK, F_WRLCK, 0, 0));
  must("pipe", system_call3(SYS_PIPE2, (long)waiting, 0, 0));
  long child = must("fork", fork());
  if (child == 0) {
    wait_for_lock();
    exit(0);
  }
  read_file(waiting[0], buffer, 1);
  tick();
  must("write", write_at(file, "!", 1, 0));
  must("unlock", lock(file, F_SETLK, F_UNLCK, 0, 0));
  int ended;
  wait_for(child, &ended);

  long one = must("a", open_file("a", O_RDWR, 0)), other = must("a", open_file("a", O_RDWR, 0));
  say("of an open file", lock(one, F_OFD_SETLK, F_WRLCK, 0, 10));
  say("of another open file of the process", lock(other, F_OFD_SETLK, F_WRLCK, 5, 10));
  close_file(one);
  say("when the first is closed", lock(other, F_OFD_SETLK, F_WRLCK, 5, 10));
  close_file(other);
  close_file(file);
}

static void ask_for_file(void) {
  long mine = must("a", open_file("a", O_RDWR, 0));
  say("another's, wanted alone", system_call3(SYS_FLOCK, mine, LOCK_EX | LOCK_NB, 0));
  say("another's, to share", system_call3(SYS_FLOCK, mine, LOCK_SH | LOCK_NB, 0));
}

static void file_locks(void) {
  about("flock");
  make_file("a", "");
  file = must("a", open_file("a", O_RDWR, 0));
  say("taken", system_call3(SYS_FLOCK, file, LOCK_EX, 0));
  in_child(ask_for_file);
  long other = must("a", open_file("a", O_RDWR, 0));
  say("by another open file of the process", system_call3(SYS_FLOCK, other, LOCK_EX | LOCK_NB, 0));
  say("shared from now on", system_call3(SYS_FLOCK, file, LOCK_SH | LOCK_NB, 0));
  in_child(ask_for_file);
  say("given up", system_call3(SYS_FLOCK, file, LOCK_UN, 0));
  in_child(ask_for_file);
  close_file(file);
  close_file(other);
}

static void append_lines(void) {
  long mine = must("a", open_file("a", O_WRONLY | O_APPEND, 0));
  for (int n = 0; n < 200; n++) {
    must("append", write_file(mine, "other process\n", 14));
  }
}

static void appending(void) {
  about("append");
  make_file("a", "0123");
  long one = must("a", open_file("a", O_RDWR | O_APPEND, 0)), other = must("a", open_file("a", O_WRONLY | O_APPEND, 0));
  write_file(one, "AA", 2);
  write_file(other, "BB", 2);
  write_file(one, "CC", 2);
  say("position then", seek(one, 0, SEEK_CUR));
  // Linux appends here, too (pwrite(2), "BUGS").
  say("written at a position", write_at(one, "D", 1, 0));
  truncate_path("a", 6);
  write_file(other, "E", 1);
  say_text("what there is", buffer, read_at(one, buffer, sizeof buffer, 0));
  say("position at the end", seek(one, 0, SEEK_END));
  say("position before the start", seek(one, -1, SEEK_SET));
  close_file(other);

  truncate_path("a", 0);
  long child = must("fork", fork());
  if (child == 0) {
    append_lines();
    exit(0);
  }
  for (int n = 0; n < 200; n++) {
    must("append", write_file(one, "this one here\n", 14));
  }
  int ended;
  wait_for(child, &ended);
  long whole = 0;
  for (int64_t at = 0; read_at(one, buffer, 14, at) == 14; at += 14) {
    whole += buffer[13] == '\n' && (memcmp(buffer, "other process", 13) == 0 || memcmp(buffer, "this one here", 13) == 0);
  }
  say("whole lines of two processes", whole);
  close_file(one);
}

static void opening(void) {
  about("open");
  make_file("a", "0123");
  say("exclusively, where something is", open_file("a", O_RDWR | O_CREAT | O_EXCL, 0644));
  say("a file as a directory", open_file("a", O_RDONLY | O_DIRECTORY, 0));
  say("a directory to write", open_file(".", O_WRONLY, 0));
  say("a directory to make it", open_file(".", O_RDONLY | O_CREAT, 0644));
  say("nothing", open_file("nothing", O_RDWR, 0));
  say("nothing in nothing", open_file("nothing/x", O_RDWR | O_CREAT, 0644));
  say("something below a file", open_file("a/x", O_RDWR | O_CREAT, 0644));
  say("a file with a slash behind it", open_file("a/", O_RDONLY, 0));
  long one = must("a", open_file("a", O_RDWR | O_TRUNC, 0));
  say("size when truncated", status("a").size);
  say("at a position that is none", read_at(one, buffer, 1, -1));
  say("written far behind the end", write_at(one, "x", 1, 5000000000));
  say("size then", status("a").size);
  say("read in the hole", read_at(one, buffer, 10, 4000000000));
  say("truncated to less than nothing", truncate_open(one, -1));
  close_file(one);
}

static void send_through_fifo(void) {
  long out = must("fifo", open_file("fifo", O_WRONLY, 0));
  write_file(out, "through a FIFO", 14);
}

struct unix_address {
  uint16_t family;
  char path[108];
};

static const struct unix_address ADDRESS = {AF_UNIX, "socket"};

static void send_through_socket(void) {
  long out = must("socket", system_call3(SYS_SOCKET, AF_UNIX, SOCK_STREAM, 0));
  long connected = system_call3(SYS_CONNECT, out, (long)&ADDRESS, sizeof ADDRESS);
  say("connected", connected);
  write_file(out, "through a socket", 16);
}

static void meeting(void) {
  about("meeting");
  long made = make_node("fifo", S_IFIFO | 0600, 0);
  say("a FIFO", made);
  if (made == 0) {
    long child = must("fork", fork());
    if (child == 0) {
      send_through_fifo();
      exit(0);
    }
    long in = must("fifo", open_file("fifo", O_RDONLY, 0));
    say_text("what comes out", buffer, read_file(in, buffer, sizeof buffer));
    int ended;
    wait_for(child, &ended);
  }
  long listener = must("socket", system_call3(SYS_SOCKET, AF_UNIX, SOCK_STREAM, 0));
  long bound = system_call3(SYS_BIND, listener, (long)&ADDRESS, sizeof ADDRESS);
  say("a socket", bound);
  if (bound == 0) {
    must("listen", system_call3(SYS_LISTEN, listener, 1, 0));
    long child = must("fork", fork());
    if (child == 0) {
      send_through_socket();
      exit(0);
    }
    long in = must("accept", system_call3(SYS_ACCEPT, listener, 0, 0));
    say_text("what comes out", buffer, read_file(in, buffer, sizeof buffer));
    int ended;
    wait_for(child, &ended);
    say("bound again", system_call3(SYS_BIND, must("socket", system_call3(SYS_SOCKET, AF_UNIX, SOCK_STREAM, 0)),
                                    (long)&ADDRESS, sizeof ADDRESS));
  }
}

static long run(const char *path, int *ended) {
  long child = must("fork", fork());
  if (child == 0) {
    char *const arguments[] = {(char *)path, "nothing", 0};
    long failed = system_call3(SYS_EXECVE, (long)path, (long)arguments, 0);
    exit((int)-failed);
  }
  return wait_for(child, ended);
}

static void running(void) {
  about("program");
  long from = must("this program", open_file("/proc/self/exe", O_RDONLY, 0));
  long to = must("copy", open_file("copy", O_WRONLY | O_CREAT, 0755));
  for (long count; (count = read_file(from, buffer, sizeof buffer)) > 0;) {
    must("copy", write_file(to, buffer, (size_t)count));
  }
  int ended = -1;
  run("copy", &ended);
  say("run while it is written", ended >> 8);
  close_file(to);
  run("copy", &ended);
  say("run", ended >> 8);
  change_mode("copy", 0644);
  run("copy", &ended);
  say("run when it may not", ended >> 8);
  change_mode("copy", 0755);
  rename_path("copy", "moved");
  run("moved", &ended);
  say("run by its new name", ended >> 8);
}

void look_at_sharing(void) {
  in_a_directory("lock", byte_locks);
  in_a_directory("flock", file_locks);
  in_a_directory("append", appending);
  in_a_directory("open", opening);
  in_a_directory("meeting", meeting);
  in_a_directory("program", running);
}
