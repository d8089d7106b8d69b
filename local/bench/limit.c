// The physical limit of the pivot: what any program must do at least, and nothing else.
//
//     limit [--mapped] FILE...
//
// One thread, the file read a MiB at a time, as whatever does not lie on this machine must be; or mapped, which saves the copy. Reads lines "Project,Minutes,YYYY-MM-DD...", sums the minutes of each date and project
// and prints them by date. No quotes, no checks, two known projects, at most 9 decimals. The header is skipped, as is any
// other project.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAYS = 10000 * 12 * 31 };

// In 10^-9 minutes, hence exact. By (year * 12 + month) * 31 + day; only pages that are touched take memory.
static int64_t sums[DAYS][2];
static char is_there[DAYS];

static const int64_t UNIT[] = {1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};

static inline int two_digits(const char *text) { return (text[0] - '0') * 10 + text[1] - '0'; }

// Adds up one line; returns where the next one starts.
static inline const char *add(const char *p, const char *end) {
  int work = *p == 'W';
  if (work || *p == 'L') {
    p += work ? sizeof "Work" : sizeof "Learning";
    int64_t minutes = 0;
    int decimals = 0;
    while (*p >= '0') minutes = minutes * 10 + *p++ - '0';
    if (*p == '.') {
      const char *first = ++p;
      while (*p >= '0') minutes = minutes * 10 + *p++ - '0';
      decimals = p - first;
    }
    p++;
    int month = (two_digits(p) * 100 + two_digits(p + 2)) * 12 + two_digits(p + 5) - 1;
    int day = month * 31 + two_digits(p + 8) - 1;
    sums[day][work] += minutes * UNIT[decimals];
    is_there[day] = 1;
    p += 10;
  }
  const char *newline = memchr(p, '\n', end - p);
  return newline ? newline + 1 : end;
}

enum { CHUNK = 1 << 20 };

// Adds up what can be read of a file a chunk at a time; the line that a chunk ends in begins the next one.
static int read_all(int file) {
  static char buffer[2 * CHUNK];
  size_t kept = 0;
  for (;;) {
    ssize_t got = read(file, buffer + kept, CHUNK);
    if (got <= 0) {
      if (kept) add(buffer, buffer + kept);
      return got;
    }
    const char *p = buffer, *end = buffer + kept + got, *whole = memrchr(buffer, '\n', end - p);
    whole = whole ? whole + 1 : buffer;
    while (p < whole) p = add(p, whole);
    kept = end - whole;
    memmove(buffer, whole, kept);
  }
}

static int map_all(int file) {
  struct stat is;
  if (fstat(file, &is)) return -1;
  const char *p = mmap(0, is.st_size, PROT_READ, MAP_PRIVATE, file, 0), *end = p + is.st_size;
  if (p == MAP_FAILED) return -1;
  while (p < end) p = add(p, end);
  return 0;
}

int main(int count, char **names) {
  int is_mapped = count > 1 && !strcmp(names[1], "--mapped");
  for (int i = 1 + is_mapped; i < count; i++) {
    int file = open(names[i], O_RDONLY);
    if (file < 0 || (is_mapped ? map_all(file) : read_all(file))) return perror(names[i]), 1;
    close(file);
  }
  puts("date,learning_minutes,work_minutes");
  for (int day = 0; day < DAYS; day++) {
    if (!is_there[day]) continue;
    printf("%04d-%02d-%02d", day / 372, day / 31 % 12 + 1, day % 31 + 1);
    for (int work = 0; work < 2; work++)
      printf(",%lld.%09lld", (long long)(sums[day][work] / UNIT[0]), (long long)(sums[day][work] % UNIT[0]));
    puts("");
  }
}
