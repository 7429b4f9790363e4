/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/connector/some-proxy.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO "hello"

static void
say (int fd, gconstpointer bytes, gsize size)
{
  g_assert_cmpint (send (fd, bytes, size, MSG_NOSIGNAL), ==, (gssize)size);
}

static void
serve_http (SomeProxy *self, int fd)
{
  char byte;

  while (!g_str_has_suffix (self->asked->str, "\r\n\r\n") && recv (fd, &byte, 1, 0) == 1)
    g_string_append_c (self->asked, byte);
  if (self->reply[0] == '\0')
    return;
  say (fd, self->reply, strlen (self->reply));
  say (fd, "\r\n\r\n" HELLO, strlen ("\r\n\r\n" HELLO));
}

static void
hear (int fd, guint8 *out, gsize size)
{
  g_assert_cmpint (recv (fd, out, size, MSG_WAITALL), ==, (gssize)size);
}

static void
hear_word (int fd, GString *asked)
{
  guint8 size;
  char word[256] = "";

  hear (fd, &size, 1);
  hear (fd, (guint8 *)word, size);
  g_string_append_printf (asked, "%s ", word);
}

/* RFC 1928, 1929 */
static void
serve_socks (SomeProxy *self, int fd)
{
  guint8 bytes[256];

  hear (fd, bytes, 2);
  hear (fd, bytes + 2, bytes[1]);
  say (fd, "\5\2", 2);
  hear (fd, bytes, 1);
  hear_word (fd, self->asked);
  hear_word (fd, self->asked);
  say (fd, "\1\0", 2);
  hear (fd, bytes, 4);
  g_assert_cmpuint (bytes[3], ==, 3);
  hear_word (fd, self->asked);
  hear (fd, bytes, 2);
  g_string_append_printf (self->asked, "%u", bytes[0] << 8 | bytes[1]);
  say (fd, "\5\0\0\1\0\0\0\0\0\0" HELLO, 10 + strlen (HELLO));
}

static gpointer
serve (gpointer data)
{
  SomeProxy *self = data;
  int fd = accept (self->listener, NULL, NULL);
  char byte;

  if (fd < 0)
    return NULL;
  if (self->reply != NULL)
    serve_http (self, fd);
  else
    serve_socks (self, fd);
  while (recv (fd, &byte, 1, 0) > 0)
    ;
  close (fd);
  return NULL;
}

SomeProxy *
some_proxy_new (const char *reply)
{
  SomeProxy *self = g_new0 (SomeProxy, 1);
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof at;

  self->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno (bind (self->listener, (struct sockaddr *)&at, sizeof at));
  g_assert_no_errno (listen (self->listener, 1));
  g_assert_no_errno (getsockname (self->listener, (struct sockaddr *)&at, &length));
  self->port = ntohs (at.sin_port);
  self->reply = reply;
  self->asked = g_string_new (NULL);
  self->thread = g_thread_new ("proxy", serve, self);
  return self;
}

void
some_proxy_join (SomeProxy *self)
{
  if (self->thread != NULL)
    g_thread_join (g_steal_pointer (&self->thread));
}

void
some_proxy_free (SomeProxy *self)
{
  shutdown (self->listener, SHUT_RDWR);
  some_proxy_join (self);
  close (self->listener);
  g_string_free (self->asked, TRUE);
  g_free (self);
}
