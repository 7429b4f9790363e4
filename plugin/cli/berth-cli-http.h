/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request of HTTP on standard input, answered on standard output: what systemd's Accept=yes
 * starts for each connection. */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Bytes of a request's head at most; what Prometheus sends has some 300 */
#define BERTH_HTTP_HEAD_MAX 8192

/**
 * BerthHttpRequest:
 * @BERTH_HTTP_GET: of the page
 * @BERTH_HTTP_HEAD: likewise, without the page
 * @BERTH_HTTP_NOT_FOUND: of another page
 * @BERTH_HTTP_NOT_ALLOWED: another method
 * @BERTH_HTTP_BAD: no request of HTTP/1
 */
typedef enum
{
  BERTH_HTTP_GET,
  BERTH_HTTP_HEAD,
  BERTH_HTTP_NOT_FOUND,
  BERTH_HTTP_NOT_ALLOWED,
  BERTH_HTTP_BAD,
} BerthHttpRequest;

/* What is asked for by a @head that may be any @length bytes; only its first line counts. */
BerthHttpRequest berth_http_parse (const char *head, gsize length, const char *page);
/* The head of a request from @fd, within @limit_ms; (transfer full) (nullable) */
GString *berth_http_read_head (int fd, gint64 limit_ms, GError **error);
/* Waits until the client has heard the answer that was written to @fd: what it sent and nobody read
 * would take the answer from it at the connection's end. */
void berth_http_finish (int fd, gint64 limit_ms);
/* (transfer full): an answer. @text: (nullable): what there is on the page, or an @error instead */
GString *berth_http_make_answer (BerthHttpRequest request, const char *text, const GError *error);

G_END_DECLS
