// Looks at what a file system does beside keeping contents, and says it, a line for each thing: run on two file systems, the lines tell
// what is different.
//
//   semantics DIRECTORY      an empty one, which it leaves full
//   semantics nothing        ends at once: what running it shows
#include "report.h"

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "nothing") == 0) {
    return 0;
  }
  if (argc != 2) {
    printf("usage: semantics DIRECTORY\n");
    return 2;
  }
  must(argv[1], system_call3(SYS_CHDIR, (long)argv[1], 0, 0));
  must("umask", system_call3(SYS_UMASK, 022, 0, 0));
  in_a_directory("names", look_at_names);
  in_a_directory("metadata", look_at_metadata);
  in_a_directory("sharing", look_at_sharing);
  return 0;
}
