// Names and what they stand for: renaming, removing, linking, unusual names, symbolic links, and directories that are read while they
// change.
#include "report.h"

static char buffer[8192] __attribute__((aligned(8)));

static void renaming(void) {
  about("rename");
  make_file("a", "content of a");
  make_file("b", "content of b");
  struct stat before = status("a");
  struct stat directory_before = status(".");
  long old = must("b", open_file("b", O_RDWR, 0));
  tick();
  say("over an open file", rename_path("a", "b"));
  struct stat after = status("b");
  say_yes("keeps the inode", after.inode == before.inode);
  say_yes("changes the node's ctime", is_later(after.changed, before.changed));
  say_yes("keeps the node's mtime", !is_later(after.modified, before.modified));
  say_yes("changes the directory's mtime", is_later(status(".").modified, directory_before.modified));
  long length = read_at(old, buffer, sizeof buffer, 0);
  say_text("what was replaced is readable", buffer, length);
  say("what was replaced is writable", write_at(old, "CONTENT", 7, 0));
  struct stat replaced;
  stat_open(old, &replaced);
  say("links of what was replaced", (long)replaced.links);
  close_file(old);

  say("over its other name", add_name("b", "c"));
  say("over its other name does nothing", rename_path("b", "c"));
  say("links then", (long)status("b").links);
  say("of nothing", rename_path("nothing", "b"));

  make_directory("d", 0755);
  make_directory("d/e", 0755);
  say("file over directory", rename_path("b", "d"));
  say("directory over file", rename_path("d", "b"));
  say("directory into itself", rename_path("d", "d/e/f"));
  say("directory over one above it", rename_path("d/e", "d"));
  make_directory("full", 0755);
  make_file("full/x", "");
  say("directory over a full one", rename_path("d", "full"));
  make_directory("empty", 0755);
  say("directory over an empty one", rename_path("d", "empty"));
  say("links of a directory with one in it", (long)status("empty").links);
  say("directory to another parent", rename_path("empty/e", "full/e"));
  say("links of the parent that it left", (long)status("empty").links);
  say("links of its new parent", (long)status("full").links);
  say_yes(".. is the new parent", status("full/e/..").inode == status("full").inode);

  say("without replacing, where something is", rename_with("b", "c", RENAME_NOREPLACE));
  say("without replacing, where nothing is", rename_with("b", "g", RENAME_NOREPLACE));
  rename_path("b", "g");
  say("exchange with nothing", rename_with("g", "nothing", RENAME_EXCHANGE));
  say("exchange file and directory", rename_with("g", "full", RENAME_EXCHANGE));
  say_octal("type of the file's old name", status("g").mode & S_IFMT);

  // What is done by an open directory goes where that is now.
  make_directory("open", 0755);
  long open = must("open", open_file("open", O_DIRECTORY, 0));
  rename_path("open", "moved");
  say("in an open directory that was moved", system_call(SYS_OPENAT, open, (long)"x", O_WRONLY | O_CREAT, 0644, 0) > 0);
  say_octal("type of what was made there", status("moved/x").mode & S_IFMT);
  close_file(open);
}

static void removing(void) {
  about("unlink");
  make_file("a", "still here");
  long file = must("a", open_file("a", O_RDWR, 0));
  say("of an open file", remove_file("a"));
  struct stat stat;
  say("fstat then", stat_open(file, &stat));
  say("links then", (long)stat.links);
  say("read then", read_at(file, buffer, sizeof buffer, 0));
  say("write then", write_at(file, "x", 1, 100));
  say("truncate then", truncate_open(file, 5));
  say("chmod then", system_call3(SYS_FCHMOD, file, 0600, 0));
  say("size then", (stat_open(file, &stat), stat.size));
  say("sync then", system_call3(SYS_FSYNC, file, 0, 0));
  say("close then", close_file(file));

  make_file("a", "");
  add_name("a", "b");
  struct stat before = status("b");
  tick();
  say("of one of two names", remove_file("a"));
  say("links left", (long)status("b").links);
  say_yes("changes ctime", is_later(status("b").changed, before.changed));
  make_directory("d", 0755);
  make_directory("d/e", 0755);
  say("of a directory", remove_file("d"));
  say("rmdir of a file", remove_directory("b"));
  say("rmdir of a full directory", remove_directory("d"));
  say("rmdir of .", remove_directory("d/."));
  long directory = must("d/e", open_file("d/e", O_DIRECTORY, 0));
  say("rmdir of an open directory", remove_directory("d/e"));
  say("making something in it", system_call(SYS_OPENAT, directory, (long)"x", O_WRONLY | O_CREAT, 0644, 0));
  say("making a directory in it", system_call3(SYS_MKDIRAT, directory, (long)"x", 0755));
  make_directory("d/e", 0755);
  say_yes("another of its name is another", status("d/e").inode != (stat_open(directory, &stat), stat.inode));
  close_file(directory);
  say("of nothing", remove_file("nothing"));
}

static void linking(void) {
  about("link");
  make_file("a", "one");
  struct stat before = status("a");
  tick();
  say("a second name", add_name("a", "b"));
  say("links", (long)status("a").links);
  say_yes("same inode", status("a").inode == status("b").inode);
  say_yes("changes ctime", is_later(status("a").changed, before.changed));
  say("where something is", add_name("a", "b"));
  make_directory("d", 0755);
  say("of a directory", add_name("d", "e"));
  make_file("b", "through b");
  long file = must("a", open_file("a", O_RDONLY, 0));
  say_text("what is written by the other name", buffer, read_file(file, buffer, sizeof buffer));
  close_file(file);
  change_mode("b", 0604);
  say_octal("mode by the other name", status("a").mode);
  remove_file("a");
  say("opened when the first name is gone", open_file("b", O_RDONLY, 0) > 0);
  say("truncated when the first name is gone", truncate_path("b", 1));
  say("a third name when the first is gone", add_name("b", "c"));
  make_link("b", "s");
  say("of a symbolic link", add_name("s", "t"));
  say_octal("type of that", status("t").mode & S_IFMT);

  long unnamed = open_file(".", O_TMPFILE | O_RDWR, 0600);
  say("a file without a name", unnamed < 0 ? unnamed : 0);
}

static const char *long_name(int bytes) {
  static char name[300];
  memset(name, 'n', (size_t)bytes);
  name[bytes] = '\0';
  return name;
}

static void naming(void) {
  about("names");
  say("of 255 bytes", make_directory(long_name(255), 0755));
  say("of 256 bytes", make_directory(long_name(256), 0755));
  say("of 256 bytes, looked up", open_file(long_name(256), O_RDONLY, 0));
  const char *const odd[] = {"...", " ", "a\nb", "\xff\xfe", "\xed\xa0\x80", "\xc3\xa9", "e\xcc\x81", "-", "A", "a", ".hidden"};
  long made = 0;
  for (size_t n = 0; n < sizeof odd / sizeof odd[0]; n++) {
    made += make_directory(odd[n], 0755) == 0;
  }
  say("that are odd, made", made);
  long directory = must("names", open_file(".", O_DIRECTORY, 0));
  long found = 0;
  for (long count; (count = system_call3(SYS_GETDENTS64, directory, (long)buffer, sizeof buffer)) > 0;) {
    for (long at = 0; at < count;) {
      struct directory_entry *entry = (struct directory_entry *)(buffer + at);
      for (size_t n = 0; n < sizeof odd / sizeof odd[0]; n++) {
        found += strcmp(entry->name, odd[n]) == 0;
      }
      at += entry->length;
    }
  }
  close_file(directory);
  say("that are odd, listed", found);
  long removed = 0;
  for (size_t n = 0; n < sizeof odd / sizeof odd[0]; n++) {
    removed += remove_directory(odd[n]) == 0;
  }
  say("that are odd, removed", removed);
}

static void symbolic_links(void) {
  about("symbolic link");
  make_file("target", "reached");
  say("made", make_link("target", "s"));
  say_octal("mode", status("s").mode);
  say("size", status("s").size);
  say("read, with too little room", system_call(SYS_READLINKAT, AT_FDCWD, (long)"s", (long)buffer, 3, 0));
  say("to nowhere, opened", (make_link("nowhere", "n"), open_file("n", O_RDONLY, 0)));
  say("to nowhere, made exclusively", open_file("n", O_WRONLY | O_CREAT | O_EXCL, 0644));
  long made = open_file("n", O_WRONLY | O_CREAT, 0644);
  say("to nowhere, made", made < 0 ? made : 0);
  say_octal("type of what was made", status("nowhere").mode & S_IFMT);
  say("not followed", open_file("s", O_RDONLY | O_NOFOLLOW, 0));
  say("as a directory", open_file("s", O_RDONLY | O_DIRECTORY, 0));
  make_link("b", "a");
  make_link("a", "b");
  say("a loop", open_file("a", O_RDONLY, 0));
  say("empty", make_link("", "e"));
  memset(buffer, 'x', 4095);
  buffer[4095] = '\0';
  say("of 4095 bytes", make_link(buffer, "long"));
  say("of 4095 bytes, its size", status("long").size);
  buffer[4095] = 'x';
  buffer[4096] = '\0';
  say("of 4096 bytes", make_link(buffer, "longer"));
  say("removed", remove_file("s"));
  say("its target stays", open_file("target", O_RDONLY, 0) > 0);
  make_directory("d", 0755);
  make_file("d/f", "");
  make_link("d", "l");
  say("to a directory, walked", open_file("l/f", O_RDONLY, 0) > 0);
  say("to a directory, removed as one", remove_directory("l"));
  say("chmod of itself", system_call(SYS_FCHMODAT, AT_FDCWD, (long)"n", 0600, 0, 0));
}

#define FILES 300

static const char *numbered(int number) {
  static char name[] = "file-000";
  name[5] = (char)('0' + number / 100);
  name[6] = (char)('0' + number / 10 % 10);
  name[7] = (char)('0' + number % 10);
  return name;
}

static uint8_t seen[FILES];

// Counts the names of one call in `seen`; their number, or 0 at the end.
static long list_some(long directory, size_t room, int64_t *last) {
  long count = system_call3(SYS_GETDENTS64, directory, (long)buffer, (long)room);
  long names = 0;
  for (long at = 0; at < count;) {
    struct directory_entry *entry = (struct directory_entry *)(buffer + at);
    if (entry->name[0] == 'f') {
      seen[(entry->name[5] - '0') * 100 + (entry->name[6] - '0') * 10 + entry->name[7] - '0']++;
    }
    *last = entry->offset;
    names++;
    at += entry->length;
  }
  return count < 0 ? count : names;
}

static long seen_times(int times) {
  long count = 0;
  for (int n = 0; n < FILES; n++) {
    count += seen[n] == times;
    seen[n] = 0;
  }
  return count;
}

static void make_files(void) {
  for (int n = 0; n < FILES; n++) {
    make_file(numbered(n), "");
  }
}

static void directories(void) {
  about("directory");
  make_files();
  long directory = must("directory", open_file(".", O_DIRECTORY, 0));
  int64_t last = 0;
  while (list_some(directory, 600, &last) > 0) {
  }
  say("names seen once", seen_times(1));

  // From a place that was noted, what came behind it comes again.
  seek(directory, 0, SEEK_SET);
  for (int n = 0; n < 5; n++) {
    list_some(directory, 600, &last);
  }
  seen_times(0);
  int64_t noted = last;
  for (int n = 0; n < 2; n++) {
    must("seek", seek(directory, noted, SEEK_SET));
    while (list_some(directory, 4096, &last) > 0) {
    }
  }
  long twice = 0, once = 0;
  for (int n = 0; n < FILES; n++) {
    twice += seen[n] == 2;
    once += seen[n] == 1;
  }
  seen_times(0);
  say_yes("what is behind a place comes again", twice > FILES / 2 && once == 0);

  // Names that come and go meanwhile are seen at most once, the others exactly once.
  seek(directory, 0, SEEK_SET);
  for (int n = 0; n < 3; n++) {
    list_some(directory, 600, &last);
  }
  for (int n = 0; n < FILES; n += 2) {
    remove_file(numbered(n));
  }
  while (list_some(directory, 600, &last) > 0) {
  }
  long odd = 0;
  twice = 0;
  for (int n = 0; n < FILES; n++) {
    odd += n % 2 == 1 && seen[n] == 1;
    twice += seen[n] > 1;
    seen[n] = 0;
  }
  say("names seen that stayed", odd);
  say("names seen twice", twice);

  // As rm -r does: what was listed is removed, and listing goes on.
  make_files();
  seek(directory, 0, SEEK_SET);
  for (long count; (count = system_call3(SYS_GETDENTS64, directory, (long)buffer, 600)) > 0;) {
    for (long at = 0; at < count;) {
      struct directory_entry *entry = (struct directory_entry *)(buffer + at);
      if (entry->name[0] == 'f') {
        remove_file(entry->name);
      }
      at += entry->length;
    }
  }
  seek(directory, 0, SEEK_SET);
  say("entries left when all that was listed is removed", list_some(directory, 4096, &last));

  // At its end, and again, for what came since.
  make_file(numbered(7), "");
  seek(directory, 0, SEEK_SET);
  while (list_some(directory, 4096, &last) > 0) {
  }
  say("a new name after a rewind", seen_times(1));
  say("with too little room", system_call3(SYS_GETDENTS64, (seek(directory, 0, SEEK_SET), directory), (long)buffer, 8));
  close_file(directory);
}

void look_at_names(void) {
  in_a_directory("rename", renaming);
  in_a_directory("unlink", removing);
  in_a_directory("link", linking);
  in_a_directory("names", naming);
  in_a_directory("symlink", symbolic_links);
  in_a_directory("directory", directories);
}
