#include "report.h"

static const char *topic;

static const struct {
  int number;
  const char *name;
} ERRORS[] = {{1, "EPERM"},         {2, "ENOENT"},   {5, "EIO"},      {6, "ENXIO"},     {7, "E2BIG"},     {9, "EBADF"},
              {11, "EAGAIN"},       {12, "ENOMEM"},  {13, "EACCES"},  {16, "EBUSY"},    {17, "EEXIST"},   {18, "EXDEV"},
              {19, "ENODEV"},       {20, "ENOTDIR"}, {21, "EISDIR"},  {22, "EINVAL"},   {24, "EMFILE"},   {26, "ETXTBSY"},
              {27, "EFBIG"},        {28, "ENOSPC"},  {30, "EROFS"},   {34, "ERANGE"},   {36, "ENAMETOOLONG"},
              {38, "ENOSYS"},       {39, "ENOTEMPTY"}, {40, "ELOOP"}, {61, "ENODATA"},  {95, "EOPNOTSUPP"},
              {98, "EADDRINUSE"},   {111, "ECONNREFUSED"}, {116, "ESTALE"}};

void about(const char *what) { topic = what; }

static void begin(const char *what) { printf("%s: %s: ", topic, what); }

void say(const char *what, long result) {
  begin(what);
  if (result > 0) {
    printf("%ld\n", result);
    return;
  }
  if (result == 0) {
    printf("ok\n");
    return;
  }
  for (size_t n = 0; n < sizeof ERRORS / sizeof ERRORS[0]; n++) {
    if (ERRORS[n].number == -result) {
      printf("%s\n", ERRORS[n].name);
      return;
    }
  }
  printf("error %ld\n", -result);
}

void say_yes(const char *what, bool holds) {
  begin(what);
  printf(holds ? "yes\n" : "no\n");
}

void say_octal(const char *what, uint32_t value) {
  begin(what);
  for (int shift = 15; shift >= 0; shift -= 3) {
    putchar((char)('0' + (value >> shift & 7)));
  }
  putchar('\n');
}

void say_text(const char *what, const char *text, long length) {
  if (length < 0) {
    say(what, length);
    return;
  }
  begin(what);
  for (long n = 0; n < length; n++) {
    putchar(text[n]);
  }
  putchar('\n');
}

void as_user(long user, void (*act)(void)) {
  long child = must("fork", fork());
  if (child == 0) {
    must("setgroups", system_call3(SYS_SETGROUPS, 0, 0, 0));
    must("setgid", system_call3(SYS_SETGID, user, 0, 0));
    must("setuid", system_call3(SYS_SETUID, user, 0, 0));
    act();
    exit(0);
  }
  int status = 0;
  wait_for(child, &status);
  if (status != 0) {
    say("status of a process", status);
  }
}

void in_child(void (*act)(void)) { as_user(0, act); }

void make_file(const char *path, const char *content) {
  long file = must(path, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  must(path, write_file(file, content, strlen(content)));
  must(path, close_file(file));
}

struct stat status(const char *path) {
  struct stat stat;
  must(path, stat_path(path, &stat));
  return stat;
}

bool is_later(struct timespec time, struct timespec than) {
  return time.seconds > than.seconds || (time.seconds == than.seconds && time.nanoseconds > than.nanoseconds);
}

void tick(void) {
  // Linux's coarse clock ticks every 4 ms.
  struct timespec pause = {0, 12000000};
  system_call3(SYS_NANOSLEEP, (long)&pause, 0, 0);
}

void in_a_directory(const char *name, void (*act)(void)) {
  must(name, make_directory(name, 0755));
  must(name, system_call3(SYS_CHDIR, (long)name, 0, 0));
  act();
  must(name, system_call3(SYS_CHDIR, (long)"..", 0, 0));
}
