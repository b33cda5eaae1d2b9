// What a program saw, a line for each thing, so that what two file systems do can be compared.
#ifndef FILES_REPORT_H
#define FILES_REPORT_H

#include "calls.h"

// What the lines that follow are about.
void about(const char *topic);
// A call's result: "ok", the name of an error, or a number above 0.
void say(const char *what, long result);
void say_yes(const char *what, bool holds);
void say_octal(const char *what, uint32_t value);
void say_text(const char *what, const char *text, long length);

// Runs in a process of another user, who is in no group but his own; what it says comes before it ends.
void as_user(long user, void (*act)(void));
// Runs in a process of the same user.
void in_child(void (*act)(void));

// A file with this content; the program ends if it cannot be made.
void make_file(const char *path, const char *content);
// What is known of a name, which is not followed; the program ends if there is none.
struct stat status(const char *path);
bool is_later(struct timespec time, struct timespec than);
// Waits until the file system's clock has moved on.
void tick(void);

// What is looked at, each in a directory of its own below this one: names.c, metadata.c, sharing.c.
void in_a_directory(const char *name, void (*act)(void));
void look_at_names(void);
void look_at_metadata(void);
void look_at_sharing(void);

#endif
