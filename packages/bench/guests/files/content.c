// Does random things to the contents of one file and compares it with a model in memory, in the manner of the exercisers that file
// systems are tested with: positioned reads and writes, appends, direct I/O, memory maps, truncation, allocation, holes, copies within
// the file, closing, new names, and an empty page cache in between.
//
//   content PATH SEED COUNT
//
// What the file system refuses as not supported is done in another way from then on, so that the file ends the same everywhere; the last
// line says how, and what was refused. The first difference from the model ends it with the seed, the step and what was done before.
#include "calls.h"
#include "random.h"

#define FILE_MAX (192 * 1024)
#define PIECE_MAX (24 * 1024)
#define ALIGNED 4096
#define PAST 12

static uint8_t model[FILE_MAX] __attribute__((aligned(ALIGNED)));
static uint8_t buffer[FILE_MAX] __attribute__((aligned(ALIGNED)));
static int64_t size;
static uint64_t random_state;
static const char *path;
static char other_path[512];
static bool is_other;
static long file;

enum refusal { MAPS, DIRECT, ALLOCATE, KEEP_SIZE, PUNCH, ZERO, REFUSALS };
static const char *const REFUSAL_NAMES[] = {"shared maps", "direct", "allocate", "keep size", "punch", "zero"};
static bool is_refused[REFUSALS];

struct step {
  const char *what;
  int64_t offset, length;
};
static struct step past[PAST];
static uint64_t steps, seed;

static uint64_t below(uint64_t bound) { return xorshift64(&random_state) % bound; }

static const char *name(void) { return is_other ? other_path : path; }

static void note(const char *what, int64_t offset, int64_t length) {
  past[steps % PAST] = (struct step){what, offset, length};
}

__attribute__((noreturn)) static void fail(const char *problem, int64_t expected, int64_t found) {
  printf("seed %lu, step %lu: %s, expected %ld, found %ld; size %ld\n", seed, steps, problem, expected, found, size);
  for (uint64_t n = steps >= PAST ? steps - PAST + 1 : 0; n <= steps; n++) {
    struct step *step = &past[n % PAST];
    printf("  %lu %s %ld + %ld\n", n, step->what, step->offset, step->length);
  }
  exit(1);
}

static void expect(const char *what, long result, long expected) {
  if (result != expected) {
    fail(what, expected, result);
  }
}

static void compare(const char *what, const uint8_t *found, int64_t offset, int64_t length) {
  for (int64_t n = 0; n < length; n++) {
    if (found[n] != model[offset + n]) {
      printf("at %ld: ", offset + n);
      fail(what, model[offset + n], found[n]);
    }
  }
}

// Whether a call was refused as something that the file system does not have; it is not asked again.
static bool refused(enum refusal what, long result) {
  if (result != -EOPNOTSUPP && result != -EINVAL && result != -ENODEV) {
    return false;
  }
  is_refused[what] = true;
  return true;
}

static void grow_to(int64_t end) {
  if (end > size) {
    size = end;
  }
}

static void fill(int64_t length) {
  for (int64_t n = 0; n < length; n++) {
    buffer[n] = (uint8_t)(xorshift64(&random_state) >> 24);
  }
}

static void check_size(void) {
  struct stat by_file, by_name;
  expect("fstat", stat_open(file, &by_file), 0);
  expect("size of the open file", by_file.size, size);
  expect("stat", stat_path(name(), &by_name), 0);
  expect("size by name", by_name.size, size);
  expect("inode", (long)by_name.inode, (long)by_file.inode);
}

static void read_some(int64_t offset, int64_t length) {
  int64_t there = offset >= size ? 0 : size - offset < length ? size - offset : length;
  note("read", offset, length);
  expect("read", read_at(file, buffer, (size_t)length, offset), there);
  compare("read", buffer, offset, there);
}

static void write_some(int64_t offset, int64_t length) {
  note("write", offset, length);
  expect("write", write_at(file, buffer, (size_t)length, offset), length);
  memcpy(model + offset, buffer, (size_t)length);
  grow_to(offset + length);
}

static long reopen(int flags) { return open_file(name(), O_RDWR | flags, 0); }

static void append(int64_t length) {
  if (size + length > FILE_MAX) {
    length = FILE_MAX - size;
  }
  note("append", size, length);
  long also = reopen(O_APPEND);
  expect("open to append", also < 0, 0);
  expect("append", write_file(also, buffer, (size_t)length), length);
  expect("close", close_file(also), 0);
  memcpy(model + size, buffer, (size_t)length);
  size += length;
}

static void direct(bool writes, int64_t offset, int64_t length) {
  offset -= offset % ALIGNED;
  length = (length + ALIGNED - 1) / ALIGNED * ALIGNED;
  note(writes ? "direct write" : "direct read", offset, length);
  long also = is_refused[DIRECT] ? -EINVAL : reopen(O_DIRECT);
  if (refused(DIRECT, also)) {
    also = reopen(0);
  }
  expect("open for direct I/O", also < 0, 0);
  if (writes) {
    expect("direct write", write_at(also, buffer, (size_t)length, offset), length);
    memcpy(model + offset, buffer, (size_t)length);
    grow_to(offset + length);
  } else {
    int64_t there = offset >= size ? 0 : size - offset < length ? size - offset : length;
    expect("direct read", read_at(also, buffer, (size_t)length, offset), there);
    compare("direct read", buffer, offset, there);
  }
  expect("close", close_file(also), 0);
}

static void map_read(int64_t offset, int64_t length) {
  int kind = below(2) == 0 ? MAP_PRIVATE : MAP_SHARED;
  // Where maps cannot be shared, private ones need not show what is written later.
  if (offset >= size || is_refused[MAPS]) {
    return;
  }
  int64_t there = size - offset < length ? size - offset : length;
  note("mapped read", offset, there);
  long map = system_call(SYS_MMAP, 0, size, PROT_READ, kind, file);
  expect("mmap", map < 0 && map > -4096 ? map : 0, 0);
  compare("mapped read", (uint8_t *)map + offset, offset, there);
  // Behind the end, up to the page's, are zeroes.
  for (int64_t n = size; n % ALIGNED != 0; n++) {
    expect("byte behind the end", *((uint8_t *)map + n), 0);
  }
  expect("munmap", system_call3(SYS_MUNMAP, map, size, 0), 0);
}

static void map_write(int64_t offset, int64_t length) {
  note("mapped write", offset, length);
  bool syncs = below(2) == 0;
  if (offset + length > size) {
    expect("truncate for a map", truncate_open(file, offset + length), 0);
    grow_to(offset + length);
  }
  if (is_refused[MAPS]) {
    write_some(offset, length);
    return;
  }
  long map = system_call(SYS_MMAP, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, file);
  expect("mmap to write", map < 0 && map > -4096 ? map : 0, 0);
  memcpy((uint8_t *)map + offset, buffer, (size_t)length);
  memcpy(model + offset, buffer, (size_t)length);
  if (syncs) {
    expect("msync", system_call3(SYS_MSYNC, map, size, MS_SYNC), 0);
  }
  expect("munmap", system_call3(SYS_MUNMAP, map, size, 0), 0);
}

static void try_maps(void) {
  expect("ftruncate", truncate_open(file, ALIGNED), 0);
  long map = system_call(SYS_MMAP, 0, ALIGNED, PROT_READ | PROT_WRITE, MAP_SHARED, file);
  if (!refused(MAPS, map)) {
    expect("munmap", system_call3(SYS_MUNMAP, map, ALIGNED, 0), 0);
  }
  expect("ftruncate", truncate_open(file, 0), 0);
}

static void truncate_to(int64_t length) {
  note("truncate", length, 0);
  if (below(2) == 0) {
    expect("ftruncate", truncate_open(file, length), 0);
  } else {
    expect("truncate", truncate_path(name(), length), 0);
  }
  if (length < size) {
    memset(model + length, 0, (size_t)(size - length));
  }
  size = length;
}

// Zeroes that are written, where nothing better is there.
static void write_zeroes(int64_t offset, int64_t length) {
  memset(buffer, 0, (size_t)length);
  write_some(offset, length);
}

static void allocate(int64_t offset, int64_t length, enum refusal what) {
  static const int MODES[] = {[ALLOCATE] = 0,
                              [KEEP_SIZE] = FALLOC_KEEP_SIZE,
                              [PUNCH] = FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE,
                              [ZERO] = FALLOC_ZERO_RANGE};
  note(REFUSAL_NAMES[what], offset, length);
  long result = is_refused[what] ? -EOPNOTSUPP : system_call(SYS_FALLOCATE, file, MODES[what], offset, length, 0);
  bool is_done = !refused(what, result);
  if (is_done) {
    expect("fallocate", result, 0);
  }
  int64_t end = offset + length;
  switch (what) {
    case ALLOCATE:
      if (end > size) {
        if (!is_done) {
          expect("ftruncate", truncate_open(file, end), 0);
        }
        size = end;
      }
      break;
    case PUNCH:
      end = end > size ? size : end;
      // falls through
    case ZERO:
      if (end > offset) {
        if (!is_done) {
          write_zeroes(offset, end - offset);
        }
        memset(model + offset, 0, (size_t)(end - offset));
        grow_to(end);
      }
      break;
    default:
      break;
  }
}

// Behind what lseek calls a hole are zeroes, and the file's end is one.
static void look_for_holes(int64_t offset) {
  note("look for holes", offset, 0);
  long data = seek(file, offset, SEEK_DATA);
  long hole = seek(file, offset, SEEK_HOLE);
  if (offset >= size) {
    expect("hole behind the end", hole, -6);  // ENXIO
    expect("data behind the end", data, -6);
    return;
  }
  if (hole < offset || hole > size) {
    fail("hole", size, hole);
  }
  for (int64_t n = offset; n < (data < 0 ? size : data); n++) {
    expect("byte in a hole", model[n], 0);
  }
}

static void copy_within(int64_t from, int64_t to, int64_t length) {
  if (from >= size) {
    return;
  }
  length = size - from < length ? size - from : length;
  if (from < to + length && to < from + length) {
    return;
  }
  note("copy", from, length);
  note("copy", to, length);
  for (int64_t done = 0; done < length;) {
    int64_t in = from + done, out = to + done;
    long count = system_call(SYS_COPY_FILE_RANGE, file, (long)&in, file, (long)&out, length - done);
    if (count <= 0) {
      fail("copy_file_range", length - done, count);
    }
    done += count;
  }
  memcpy(model + to, model + from, (size_t)length);
  grow_to(to + length);
}

static void drop_caches(void) {
  note("drop caches", 0, 0);
  system_call3(SYS_SYNC, 0, 0, 0);
  long control = must("drop_caches", open_file("/proc/sys/vm/drop_caches", O_WRONLY, 0));
  must("drop_caches", write_file(control, "3", 1));
  close_file(control);
}

static void move(void) {
  note("rename", 0, 0);
  const char *from = name();
  is_other = !is_other;
  if (below(2) == 0) {
    expect("rename", rename_path(from, name()), 0);
  } else {
    expect("link", add_name(from, name()), 0);
    expect("unlink", remove_file(from), 0);
  }
}

static void take_step(void) {
  int64_t offset = (int64_t)below(FILE_MAX - PIECE_MAX);
  int64_t length = 1 + (int64_t)below(below(4) == 0 ? PIECE_MAX - ALIGNED : 600);
  // Where pages begin and files end is where mistakes are.
  switch (below(4)) {
    case 0:
      offset -= offset % ALIGNED;
      break;
    case 1:
      offset = size < FILE_MAX - PIECE_MAX ? size : offset;
      break;
    default:
      break;
  }
  uint64_t what = below(100);
  if (what < 22) {
    read_some(offset, length);
  } else if (what < 40) {
    fill(length);
    write_some(offset, length);
  } else if (what < 46) {
    map_read(offset, length);
  } else if (what < 56) {
    fill(length);
    map_write(offset, length);
  } else if (what < 60) {
    fill(length);
    append(length);
  } else if (what < 64) {
    direct(false, offset, length);
  } else if (what < 68) {
    fill(PIECE_MAX);
    direct(true, offset, length);
  } else if (what < 75) {
    truncate_to(below(2) == 0 ? offset : (int64_t)below((uint64_t)size + 1));
  } else if (what < 84) {
    allocate(offset, length, ALLOCATE + (enum refusal)below(4));
  } else if (what < 88) {
    look_for_holes(offset);
  } else if (what < 91) {
    copy_within(offset, (int64_t)below(FILE_MAX - PIECE_MAX), length);
  } else if (what < 94) {
    note("close and open", 0, 0);
    expect("close", close_file(file), 0);
    file = reopen(0);
    expect("open", file < 0 ? file : 0, 0);
  } else if (what < 96) {
    note("sync", 0, 0);
    expect("fsync", system_call3(below(2) == 0 ? SYS_FSYNC : SYS_FDATASYNC, file, 0, 0), 0);
  } else if (what < 99) {
    move();
  } else {
    drop_caches();
  }
}

static uint64_t number(const char *text) {
  uint64_t value = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    value = value * 10 + (uint64_t)(*text - '0');
  }
  return value;
}

// FNV-1a.
static uint64_t digest(void) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (int64_t n = 0; n < size; n++) {
    hash = (hash ^ model[n]) * UINT64_C(0x100000001b3);
  }
  return hash;
}

int main(int argc, char **argv) {
  size_t length = argc == 4 ? strlen(argv[1]) : 0;
  if (length == 0 || length > sizeof other_path - 2) {
    printf("usage: content PATH SEED COUNT\n");
    return 2;
  }
  path = argv[1];
  memcpy(other_path, path, length);
  other_path[length] = '2';
  seed = number(argv[2]);
  random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
  uint64_t count = number(argv[3]);
  file = must("open", open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600));
  try_maps();
  for (steps = 0; steps < count; steps++) {
    past[steps % PAST].what = "nothing";
    take_step();
    check_size();
  }
  steps--;
  drop_caches();
  read_some(0, FILE_MAX);
  expect("close", close_file(file), 0);
  expect("unlink", remove_file(name()), 0);
  printf("%ld bytes, %lx", size, digest());
  for (int what = 0; what < REFUSALS; what++) {
    if (is_refused[what]) {
      printf("; no %s", REFUSAL_NAMES[what]);
    }
  }
  printf("\n");
  return 0;
}
