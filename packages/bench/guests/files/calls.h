// What these programs ask of Linux: numbers and layouts of riscv64 (linux/include/uapi/asm-generic/{unistd,fcntl,stat}.h), and calls by
// their names. Every call gives its result, or a negated error number.
#ifndef FILES_CALLS_H
#define FILES_CALLS_H

#include "syscall.h"

enum {
  SYS_LSETXATTR = 6,
  SYS_LGETXATTR = 9,
  SYS_LLISTXATTR = 12,
  SYS_LREMOVEXATTR = 15,
  SYS_FCNTL = 25,
  SYS_FLOCK = 32,
  SYS_MKNODAT = 33,
  SYS_MKDIRAT = 34,
  SYS_UNLINKAT = 35,
  SYS_SYMLINKAT = 36,
  SYS_LINKAT = 37,
  SYS_TRUNCATE = 45,
  SYS_FTRUNCATE = 46,
  SYS_FALLOCATE = 47,
  SYS_CHDIR = 49,
  SYS_FCHMOD = 52,
  SYS_FCHMODAT = 53,
  SYS_FCHOWNAT = 54,
  SYS_GETDENTS64 = 61,
  SYS_LSEEK = 62,
  SYS_PREAD64 = 67,
  SYS_PWRITE64 = 68,
  SYS_READLINKAT = 78,
  SYS_NEWFSTATAT = 79,
  SYS_FSTAT = 80,
  SYS_SYNC = 81,
  SYS_FSYNC = 82,
  SYS_FDATASYNC = 83,
  SYS_UTIMENSAT = 88,
  SYS_NANOSLEEP = 101,
  SYS_SETGID = 144,
  SYS_SETUID = 146,
  SYS_SETGROUPS = 159,
  SYS_UMASK = 166,
  SYS_SOCKET = 198,
  SYS_BIND = 200,
  SYS_LISTEN = 201,
  SYS_ACCEPT = 202,
  SYS_CONNECT = 203,
  SYS_MSYNC = 227,
  SYS_RENAMEAT2 = 276,
  SYS_COPY_FILE_RANGE = 285,
};

enum {
  O_RDWR = 02,
  O_EXCL = 0200,
  O_APPEND = 02000,
  O_NONBLOCK = 04000,
  O_DIRECT = 040000,
  O_DIRECTORY = 0200000,
  O_NOFOLLOW = 0400000,
  O_TMPFILE = 020000000 | O_DIRECTORY,
  AT_SYMLINK_NOFOLLOW = 0x100,
  AT_REMOVEDIR = 0x200,
  RENAME_NOREPLACE = 1,
  RENAME_EXCHANGE = 2,
  FALLOC_KEEP_SIZE = 1,
  FALLOC_PUNCH_HOLE = 2,
  FALLOC_ZERO_RANGE = 0x10,
  SEEK_SET = 0,
  SEEK_CUR = 1,
  SEEK_END = 2,
  SEEK_DATA = 3,
  SEEK_HOLE = 4,
  MAP_SHARED = 1,
  MS_SYNC = 4,
  S_IFMT = 0170000,
  S_IFSOCK = 0140000,
  S_IFCHR = 0020000,
  S_IFIFO = 0010000,
};

enum {
  ENODEV = 19,
  EINVAL = 22,
  EOPNOTSUPP = 95,
};

struct stat {
  uint64_t device, inode;
  uint32_t mode, links, uid, gid;
  uint64_t device_number, pad1;
  int64_t size;
  int32_t block_size, pad2;
  int64_t blocks;
  struct timespec accessed, modified, changed;
  uint32_t unused[2];
};

// One entry of what getdents64 gives.
struct directory_entry {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[];
};

static inline long open_file(const char *path, int flags, int mode) {
  return system_call(SYS_OPENAT, AT_FDCWD, (long)path, flags, mode, 0);
}
static inline long close_file(long file) { return system_call3(SYS_CLOSE, file, 0, 0); }
static inline long read_at(long file, void *to, size_t length, int64_t offset) {
  return system_call(SYS_PREAD64, file, (long)to, (long)length, offset, 0);
}
static inline long write_at(long file, const void *from, size_t length, int64_t offset) {
  return system_call(SYS_PWRITE64, file, (long)from, (long)length, offset, 0);
}
static inline long write_file(long file, const void *from, size_t length) {
  return system_call3(SYS_WRITE, file, (long)from, (long)length);
}
static inline long read_file(long file, void *to, size_t length) {
  return system_call3(SYS_READ, file, (long)to, (long)length);
}
static inline long seek(long file, int64_t offset, int whence) { return system_call3(SYS_LSEEK, file, offset, whence); }
static inline long truncate_open(long file, int64_t size) { return system_call3(SYS_FTRUNCATE, file, size, 0); }
static inline long truncate_path(const char *path, int64_t size) { return system_call3(SYS_TRUNCATE, (long)path, size, 0); }
static inline long stat_open(long file, struct stat *to) { return system_call3(SYS_FSTAT, file, (long)to, 0); }
static inline long stat_path(const char *path, struct stat *to) {
  return system_call(SYS_NEWFSTATAT, AT_FDCWD, (long)path, (long)to, AT_SYMLINK_NOFOLLOW, 0);
}
static inline long make_directory(const char *path, int mode) { return system_call3(SYS_MKDIRAT, AT_FDCWD, (long)path, mode); }
static inline long remove_directory(const char *path) {
  return system_call3(SYS_UNLINKAT, AT_FDCWD, (long)path, AT_REMOVEDIR);
}
static inline long remove_file(const char *path) { return system_call3(SYS_UNLINKAT, AT_FDCWD, (long)path, 0); }
static inline long make_link(const char *target, const char *path) {
  return system_call3(SYS_SYMLINKAT, (long)target, AT_FDCWD, (long)path);
}
static inline long add_name(const char *path, const char *name) {
  return system_call(SYS_LINKAT, AT_FDCWD, (long)path, AT_FDCWD, (long)name, 0);
}
static inline long rename_with(const char *from, const char *to, int flags) {
  return system_call(SYS_RENAMEAT2, AT_FDCWD, (long)from, AT_FDCWD, (long)to, flags);
}
static inline long rename_path(const char *from, const char *to) { return rename_with(from, to, 0); }
static inline long change_mode(const char *path, int mode) { return system_call3(SYS_FCHMODAT, AT_FDCWD, (long)path, mode); }
static inline long change_owner(const char *path, long uid, long gid) {
  return system_call(SYS_FCHOWNAT, AT_FDCWD, (long)path, uid, gid, AT_SYMLINK_NOFOLLOW);
}
static inline long set_times(const char *path, const struct timespec times[2]) {
  return system_call(SYS_UTIMENSAT, AT_FDCWD, (long)path, (long)times, AT_SYMLINK_NOFOLLOW, 0);
}
static inline long make_node(const char *path, int mode, int device) {
  return system_call(SYS_MKNODAT, AT_FDCWD, (long)path, mode, device, 0);
}
static inline long wait_for(long process, int *status) { return system_call(SYS_WAIT4, process, (long)status, 0, 0, 0); }

#endif
