// What stands in an inode: times, modes, owners, set-id and sticky bits, extended attributes, special files.
#include "report.h"

#define USER 1000
#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe

static char buffer[70000];

static void say_time(const char *what, struct timespec time) {
  say(what, time.seconds);
  say("  and nanoseconds", time.nanoseconds);
}

static void times_of_strangers(void) {
  struct timespec given[2] = {{1, 0}, {2, 0}}, now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  say("set by another user", set_times("a", given));
  say("set to now by another user who may not write", set_times("a", now));
  say("set to now by another user who may write", set_times("open", now));
}

static void times(void) {
  about("times");
  make_file("a", "x");
  // Whole microseconds: what some hosts set no finer.
  struct timespec given[2] = {{1000000001, 123456000}, {1500000002, 987654000}};
  say("set", set_times("a", given));
  say_time("atime", status("a").accessed);
  say_time("mtime", status("a").modified);
  struct timespec omit_first[2] = {{0, UTIME_OMIT}, {1600000003, 5000}};
  say("set, the first left out", set_times("a", omit_first));
  say_time("atime", status("a").accessed);
  say_time("mtime", status("a").modified);
  struct timespec omit_both[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  struct stat before = status("a");
  tick();
  say("set, both left out", set_times("a", omit_both));
  say_yes("that changes nothing", !is_later(status("a").changed, before.changed));
  struct timespec mixed[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  say("set, the first to now", set_times("a", mixed));
  say_yes("atime is now", status("a").accessed.seconds > 1700000000);
  say_time("mtime", status("a").modified);
  struct timespec wrong[2] = {{0, 1000000000}, {0, 0}};
  say("set to no time", set_times("a", wrong));
  struct timespec early[2] = {{-5, 0}, {-1, 500000000}};
  say("before 1970", set_times("a", early));
  say("atime before 1970", -status("a").accessed.seconds);
  say("mtime before 1970", -status("a").modified.seconds);
  struct timespec late[2] = {{4294967296, 0}, {8589934592, 0}};
  say("beyond 2106", set_times("a", late));
  say("mtime beyond 2106", status("a").modified.seconds);
  make_link("a", "s");
  say("of a symbolic link", set_times("s", given));
  say("mtime of the link", status("s").modified.seconds);
  say("mtime of its target", status("a").modified.seconds);

  set_times("a", given);
  before = status("a");
  tick();
  change_mode("a", 0600);
  say_yes("chmod changes ctime", is_later(status("a").changed, before.changed));
  say("chmod leaves mtime", status("a").modified.seconds);
  make_file("a", "");
  say_yes("truncating an empty file changes mtime", is_later(status("a").modified, before.modified));
  set_times("a", given);
  long file = must("a", open_file("a", O_RDWR, 0));
  write_file(file, "more", 4);
  struct stat stat;
  stat_open(file, &stat);
  say_yes("writing changes mtime", stat.modified.seconds > 1700000000);
  set_times("a", given);
  write_file(file, "more", 4);
  set_times("a", given);
  close_file(file);
  say_time("mtime that was set when something was written stays, closed", status("a").modified);
  truncate_path("a", 2);
  say_yes("truncating changes mtime", status("a").modified.seconds > 1700000000);
  set_times("a", given);
  truncate_path("a", 2);
  say_yes("truncating to the same size changes mtime", status("a").modified.seconds > 1700000000);
  set_times("a", given);
  file = must("a", open_file("a", O_RDONLY, 0));
  read_file(file, buffer, 10);
  close_file(file);
  say_yes("reading changes an old atime", status("a").accessed.seconds > 1700000000);
  make_directory("d", 0755);
  set_times("d", given);
  make_file("d/x", "");
  say_yes("making something changes its directory", status("d").modified.seconds > 1700000000);
  set_times("d", given);
  file = must("d/x", open_file("d/x", O_WRONLY, 0));
  write_file(file, "x", 1);
  close_file(file);
  say("writing leaves its directory", status("d").modified.seconds);
  remove_file("d/x");
  say_yes("removing something changes its directory", status("d").modified.seconds > 1700000000);
  make_file("open", "");
  change_mode("open", 0666);
  change_mode("a", 0644);
  as_user(USER, times_of_strangers);
}

static void modes_of_strangers(void) {
  say("chmod by another user", change_mode("roots", 0777));
  say("chown by another user", change_owner("roots", USER, USER));
  say("chown of one's own to another", change_owner("mine", 0, -1));
  say("chgrp of one's own to another group", change_owner("mine", -1, 0));
  say("chgrp of one's own to one's group", change_owner("mine", -1, USER));
  change_mode("theirs", 02775);
  say_octal("set-group-id by who is not in the group", status("theirs").mode);
  change_mode("mine", 06755);
  say_octal("set-ids of one's own", status("mine").mode);
  long file = must("mine", open_file("mine", O_RDWR, 0));
  write_file(file, "x", 1);
  close_file(file);
  say_octal("after writing", status("mine").mode);
  change_mode("mine", 06755);
  say("truncated", truncate_path("mine", 0));
  say_octal("after truncating", status("mine").mode);
  change_mode("mine", 06755);
  say("chgrp", change_owner("mine", -1, USER));
  say_octal("after chgrp", status("mine").mode);
  say("opening what may not be read", open_file("secret", O_RDONLY, 0));
  say("walking through what may not be searched", open_file("closed/x", O_RDONLY, 0));
  say("removing from what may not be written", remove_file("shut/x"));
  say("removing another's from a sticky directory", remove_file("sticky/roots"));
  say("renaming another's in a sticky directory", rename_path("sticky/roots", "sticky/x"));
  say("removing one's own from a sticky directory", remove_file("sticky/mine"));
  say("making something in a set-group-id directory", make_directory("group/made", 0755));
  long made = open_file("group/file", O_WRONLY | O_CREAT, 02775);
  say("making a set-group-id file there", made < 0 ? made : 0);
  long unwritable = open_file("sticky/fresh", O_RDWR | O_CREAT | O_EXCL, 0400);
  say("making what is open to write, and cannot be written", write_file(unwritable, "x", 1));
  say("opening it again to write", open_file("sticky/fresh", O_RDWR, 0));
  say("its owner", (long)status("sticky/fresh").uid);
}

static void modes(void) {
  about("modes");
  system_call3(SYS_UMASK, 022, 0, 0);
  make_directory("masked", 0777);
  say_octal("with a umask", status("masked").mode);
  system_call3(SYS_UMASK, 0, 0, 0);
  make_directory("d", 07777);
  say_octal("of a new directory", status("d").mode);
  make_file("roots", "x");
  say("chmod", change_mode("roots", 07654));
  say_octal("after chmod", status("roots").mode);
  change_mode("roots", 06755);
  say("chown", change_owner("roots", 7, 8));
  say("owner", (long)status("roots").uid);
  say("group", (long)status("roots").gid);
  say_octal("after chown", status("roots").mode);
  change_mode("roots", 06745);
  change_owner("roots", 9, -1);
  say_octal("after chown, where the group may not execute", status("roots").mode);
  say("group that was left out", (long)status("roots").gid);
  say("of the largest user", change_owner("roots", 4294967294, 4294967294));
  say("which is", (long)status("roots").uid);
  change_owner("d", 7, 8);
  change_mode("d", 07755);
  change_owner("d", 9, 9);
  say_octal("of a directory, after chown", status("d").mode);
  make_link("roots", "s");
  say("chown of a symbolic link", change_owner("s", 5, 6));
  say("owner of the link", (long)status("s").uid);

  make_file("mine", "x");
  change_owner("mine", USER, USER);
  make_file("theirs", "x");
  change_owner("theirs", USER, 50);
  make_file("secret", "x");
  change_mode("secret", 0600);
  make_directory("closed", 0700);
  make_file("closed/x", "");
  make_directory("shut", 0755);
  make_file("shut/x", "");
  change_mode("shut", 0755);
  make_directory("sticky", 01777);
  make_file("sticky/roots", "");
  make_file("sticky/mine", "");
  change_owner("sticky/mine", USER, USER);
  make_directory("group", 0777);
  change_owner("group", 0, 60);
  change_mode("group", 02777);
  as_user(USER, modes_of_strangers);
  say("group of what was made in a set-group-id directory", (long)status("group/made").gid);
  say_octal("its mode", status("group/made").mode);
  say("group of the file made there", (long)status("group/file").gid);
  say_octal("its mode", status("group/file").mode);
  make_link("x", "group/link");
  say("group of a link made there", (long)status("group/link").gid);
}

static long set_attribute(const char *path, const char *name, const char *value, size_t length, int flags) {
  return system_call(SYS_LSETXATTR, (long)path, (long)name, (long)value, (long)length, flags);
}

static long get_attribute(const char *path, const char *name, size_t room) {
  return system_call(SYS_LGETXATTR, (long)path, (long)name, (long)buffer, (long)room, 0);
}

static void attributes(void) {
  about("attributes");
  make_file("a", "");
  struct stat before = status("a");
  tick();
  long can = set_attribute("a", "user.one", "first", 5, 0);
  say("set", can);
  if (can < 0) {
    return;
  }
  say_yes("set changes ctime", is_later(status("a").changed, before.changed));
  say_text("read", buffer, get_attribute("a", "user.one", 100));
  say("its length", get_attribute("a", "user.one", 0));
  say("read, with too little room", get_attribute("a", "user.one", 4));
  say("made where it is", set_attribute("a", "user.one", "x", 1, 1));
  say("replaced where it is not", set_attribute("a", "user.two", "x", 1, 2));
  say("replaced", set_attribute("a", "user.one", "second", 6, 2));
  say_text("read then", buffer, get_attribute("a", "user.one", 100));
  say("of bytes that are no text", set_attribute("a", "user.\xff", "\0\xff", 2, 0));
  say("read", get_attribute("a", "user.\xff", 100));
  say("empty", set_attribute("a", "user.empty", "", 0, 0));
  say("empty, read", get_attribute("a", "user.empty", 100));
  say("not there", get_attribute("a", "user.none", 100));
  long length = system_call3(SYS_LLISTXATTR, (long)"a", (long)buffer, sizeof buffer);
  long names = 0;
  for (long n = 0; n < length; n++) {
    names += buffer[n] == '\0';
  }
  say("names listed", names);
  say("listed, with too little room", system_call3(SYS_LLISTXATTR, (long)"a", (long)buffer, 3));
  say("removed", system_call3(SYS_LREMOVEXATTR, (long)"a", (long)"user.one", 0));
  say("removed again", system_call3(SYS_LREMOVEXATTR, (long)"a", (long)"user.one", 0));
  say("trusted", set_attribute("a", "trusted.x", "y", 1, 0));
  say("security", set_attribute("a", "security.x", "y", 1, 0));
  say("of no namespace", set_attribute("a", "other.x", "y", 1, 0));
  say("without a name", set_attribute("a", "user.", "y", 1, 0));
  memset(buffer, 'n', 300);
  memcpy(buffer, "user.", 5);
  buffer[255] = '\0';
  say("with a name of 255 bytes", set_attribute("a", buffer, "y", 1, 0));
  buffer[255] = 'n';
  buffer[256] = '\0';
  say("with a name of 256 bytes", set_attribute("a", buffer, "y", 1, 0));
  say("of 4000 bytes", set_attribute("a", "user.large", buffer, 4000, 0));
  say("of 4000 bytes, read", get_attribute("a", "user.large", sizeof buffer));
  say("of more than 64 KiB", set_attribute("a", "user.huge", buffer, 65537, 0));
  make_directory("d", 0755);
  say("of a directory", set_attribute("d", "user.d", "x", 1, 0));
  make_link("a", "s");
  say("user's, of a symbolic link", set_attribute("s", "user.s", "x", 1, 0));
  say("trusted, of a symbolic link", set_attribute("s", "trusted.s", "x", 1, 0));
  add_name("a", "b");
  say("by the other name", get_attribute("b", "user.large", sizeof buffer));
  rename_path("a", "c");
  say("after a rename", get_attribute("c", "user.large", sizeof buffer));
}

static void special_files(void) {
  about("special");
  say("a FIFO", make_node("fifo", S_IFIFO | 0640, 0));
  say("a device", make_node("null", S_IFCHR | 0666, 0x103));
  say("a socket's node", make_node("socket", S_IFSOCK | 0600, 0));
  struct stat stat;
  if (stat_path("fifo", &stat) < 0) {
    return;
  }
  say_octal("mode of the FIFO", stat.mode);
  say("number of the device", (long)status("null").device_number);
  long null = open_file("null", O_WRONLY, 0);
  say("written to the device", write_file(null, "nothing", 7));
  say("opened to write, without a reader", open_file("fifo", O_WRONLY | O_NONBLOCK, 0));
  say("a large device number", make_node("large", S_IFCHR | 0600, 0x12345678));
  say("which is", (long)status("large").device_number);
}

void look_at_metadata(void) {
  in_a_directory("times", times);
  in_a_directory("modes", modes);
  system_call3(SYS_UMASK, 022, 0, 0);
  in_a_directory("attributes", attributes);
  in_a_directory("special", special_files);
}
