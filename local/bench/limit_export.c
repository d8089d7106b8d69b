// The limit of an export: what any client must do at least to have a table as CSV, and nothing else.
//
//     MYSQL_PWD=... limit_export HOST PORT USER DATABASE QUERY OUT
//
// One thread, libmariadb, text protocol, unbuffered. Texts stand in quotes, those in them doubled; NULL is \N. Nothing is checked,
// counted or added up. Says how many rows there were.
#include <fcntl.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FULL = 1 << 20, LONGEST_ROW = 64 << 20, MAX_COLUMNS = 1024 };

static char *out;
static size_t length;
static int file;

static void flush(void) {
  for (size_t at = 0; at < length;) {
    ssize_t written = write(file, out + at, length - at);
    if (written <= 0) exit(3);
    at += written;
  }
  length = 0;
}

static void append(const char *text, size_t count) {
  memcpy(out + length, text, count);
  length += count;
}

static void append_quoted(const char *text, size_t count) {
  const char *end = text + count, *quote;
  out[length++] = '"';
  while ((quote = memchr(text, '"', end - text))) {
    append(text, quote - text + 1);
    out[length++] = '"';
    text = quote + 1;
  }
  append(text, end - text);
  out[length++] = '"';
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  MYSQL *server = mysql_init(NULL);
  if (!mysql_real_connect(server, argv[1], argv[3], getenv("MYSQL_PWD"), argv[4], atoi(argv[2]), NULL, 0) ||
      mysql_query(server, "set time_zone = '+00:00', names utf8mb4") || mysql_query(server, argv[5])) {
    fprintf(stderr, "%s\n", mysql_error(server));
    return 1;
  }
  MYSQL_RES *result = mysql_use_result(server);
  unsigned columns = mysql_num_fields(result);
  MYSQL_FIELD *fields = mysql_fetch_fields(result);
  char is_text[MAX_COLUMNS];
  for (unsigned i = 0; i < columns; i++) {
    enum enum_field_types type = fields[i].type;
    is_text[i] = type == MYSQL_TYPE_VAR_STRING || type == MYSQL_TYPE_STRING || type == MYSQL_TYPE_BLOB;
  }
  out = malloc(FULL + LONGEST_ROW);
  file = open(argv[6], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  unsigned long long rows = 0;
  for (MYSQL_ROW row; (row = mysql_fetch_row(result)); rows++) {
    unsigned long *lengths = mysql_fetch_lengths(result);
    for (unsigned i = 0; i < columns; i++) {
      if (i) out[length++] = ',';
      if (!row[i]) append("\\N", 2);
      else if (is_text[i]) append_quoted(row[i], lengths[i]);
      else append(row[i], lengths[i]);
    }
    out[length++] = '\n';
    if (length >= FULL) flush();
  }
  if (mysql_errno(server)) {
    fprintf(stderr, "%s\n", mysql_error(server));
    return 1;
  }
  flush();
  fprintf(stderr, "%llu\n", rows);
  return 0;
}
