/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/cli/berth-cli-http.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pool/berth-error.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static gboolean
has_end (const GString *head)
{
  return strstr (head->str, "\r\n\r\n") != NULL || strstr (head->str, "\n\n") != NULL;
}

/**
 * berth_http_parse:
 * @head: bytes of a request, as they came
 * @length: of @head
 * @page: the one path that there is
 *
 * Any thread.
 *
 * Returns: what is asked for
 */
BerthHttpRequest
berth_http_parse (const char *head, gsize length, const char *page)
{
  const char *end = memchr (head, '\n', length);
  g_autofree char *line = g_strndup (head, end != NULL ? (gsize)(end - head) : 0);
  g_auto (GStrv) words = g_strsplit (g_strchomp (line), " ", 4);
  char *query;

  if (g_strv_length (words) != 3 || !g_str_has_prefix (words[2], "HTTP/1."))
    return BERTH_HTTP_BAD;
  query = strchr (words[1], '?');
  if (query != NULL)
    *query = '\0';
  if (strcmp (words[0], "GET") != 0 && strcmp (words[0], "HEAD") != 0)
    return BERTH_HTTP_NOT_ALLOWED;
  if (strcmp (words[1], page) != 0)
    return BERTH_HTTP_NOT_FOUND;
  return words[0][0] == 'G' ? BERTH_HTTP_GET : BERTH_HTTP_HEAD;
}

static gboolean
wait_readable (int fd, gint64 until_us)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
  gint64 left_us = until_us - g_get_monotonic_time ();

  return left_us > 0 && poll (&poll_fd, 1, (int)(left_us / 1000) + 1) != 0;
}

/**
 * berth_http_read_head:
 * @fd: where a request comes from
 * @limit_ms: how long that may take
 * @error: %BERTH_ERROR_INVALID
 *
 * A client that sends its bytes slowly has no more time than another.
 *
 * Returns: (transfer full) (nullable): the head and whatever of a body came with it
 */
GString *
berth_http_read_head (int fd, gint64 limit_ms, GError **error)
{
  g_autoptr (GString) head = g_string_new (NULL);
  gint64 until_us = g_get_monotonic_time () + limit_ms * 1000;
  char buffer[1024];

  while (!has_end (head) && head->len < BERTH_HTTP_HEAD_MAX && wait_readable (fd, until_us))
    {
      gssize n = read (fd, buffer, MIN (sizeof buffer, BERTH_HTTP_HEAD_MAX - head->len));

      if (n < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (n <= 0)
        break;
      g_string_append_len (head, buffer, n);
    }
  if (has_end (head))
    return g_steal_pointer (&head);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "no whole request of HTTP came within %" G_GINT64_FORMAT " s and %d bytes",
               limit_ms / 1000, BERTH_HTTP_HEAD_MAX);
  return NULL;
}

/**
 * berth_http_finish:
 * @fd: a socket
 * @limit_ms: how long the client may take to go
 *
 * What it sends meanwhile is thrown away.
 */
void
berth_http_finish (int fd, gint64 limit_ms)
{
  gint64 until_us = g_get_monotonic_time () + limit_ms * 1000;
  char rest[BERTH_HTTP_HEAD_MAX];

  if (shutdown (fd, SHUT_WR) != 0)
    return; /* no socket, or the client has gone */
  while (wait_readable (fd, until_us) && read (fd, rest, sizeof rest) > 0)
    ;
}

/**
 * berth_http_make_answer:
 * @request: what was asked for
 * @text: (nullable): the page, where @request is for it and it could be had
 * @error: (nullable): why it could not
 *
 * Returns: (transfer full): the bytes of an answer, after which the connection ends
 */
GString *
berth_http_make_answer (BerthHttpRequest request, const char *text, const GError *error)
{
  static const char *const statuses[] = {
    [BERTH_HTTP_GET] = "200 OK",
    [BERTH_HTTP_HEAD] = "200 OK",
    [BERTH_HTTP_NOT_FOUND] = "404 Not Found",
    [BERTH_HTTP_NOT_ALLOWED] = "405 Method Not Allowed",
    [BERTH_HTTP_BAD] = "400 Bad Request",
  };
  const char *status = statuses[request];
  g_autofree char *line = NULL;
  GString *answer = g_string_new (NULL);

  if (error != NULL && request <= BERTH_HTTP_HEAD)
    status = "503 Service Unavailable";
  if (error != NULL)
    line = g_strdup_printf ("%s\n", error->message);
  else if (request > BERTH_HTTP_HEAD)
    line = g_strdup_printf ("%s: it is GET /metrics\n", status);
  if (line != NULL)
    text = line;
  g_string_append_printf (answer,
                          "HTTP/1.1 %s\r\nContent-Type: " CONTENT_TYPE
                          "\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n%sConnection: close\r\n\r\n",
                          status, strlen (text),
                          request == BERTH_HTTP_NOT_ALLOWED ? "Allow: GET, HEAD\r\n" : "");
  if (request != BERTH_HTTP_HEAD)
    g_string_append (answer, text);
  return answer;
}
