/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least that a command can be that asks a berthd: libc alone, the bytes of one call, no check
 * that it could leave out. What `berth` takes beyond it is what comfort costs.
 *
 * Usage: bench-least SOCKET status|run. Prints what the program prints; of status nothing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CODE ":"
#define MESSAGE_MAX 4096

/**
 * Bytes:
 * @at: how many there are
 */
typedef struct
{
  uint8_t data[MESSAGE_MAX];
  size_t at;
} Bytes;

static void
check (int ok, const char *what)
{
  if (ok)
    return;
  perror (what);
  exit (EXIT_FAILURE);
}

static void
put (Bytes *self, const void *data, size_t size)
{
  check (self->at + size <= sizeof self->data, "a message");
  memcpy (self->data + self->at, data, size);
  self->at += size;
}

static void
align (Bytes *self, size_t to)
{
  static const uint8_t none[8];

  put (self, none, -self->at & (to - 1));
}

static void
put_u32 (Bytes *self, uint32_t value)
{
  align (self, 4);
  put (self, &value, sizeof value);
}

static void
put_string (Bytes *self, const char *text)
{
  put_u32 (self, (uint32_t)strlen (text));
  put (self, text, strlen (text) + 1);
}

static void
put_signature (Bytes *self, const char *text)
{
  uint8_t length = (uint8_t)strlen (text);

  put (self, &length, 1);
  put (self, text, length + 1u);
}

/* a{sv} of a Run: template, code, and where its output goes */
static void
put_options (Bytes *self)
{
  size_t begin;
  uint32_t size;

  put_u32 (self, 0);
  align (self, 8);
  begin = self->at;
  put_string (self, "template");
  put_signature (self, "s");
  put_string (self, "shell");
  align (self, 8);
  put_string (self, "code");
  put_signature (self, "ay");
  put_u32 (self, sizeof CODE - 1);
  put (self, CODE, sizeof CODE - 1);
  align (self, 8);
  put_string (self, "stdout");
  put_signature (self, "h");
  put_u32 (self, 0);
  size = (uint32_t)(self->at - begin);
  memcpy (self->data + begin - 8, &size, sizeof size);
}

static void
put_field (Bytes *self, uint8_t code, const char *signature, const char *text)
{
  align (self, 8);
  put (self, &code, 1);
  put_signature (self, signature);
  if (signature[0] == 'g')
    put_signature (self, text);
  else
    put_string (self, text);
}

/* A method call: little-endian, as the machines are that berth runs on */
static void
put_call (Bytes *self, const char *method, const Bytes *body)
{
  uint32_t size;

  put (self, "l\1\0\1", 4);
  put_u32 (self, (uint32_t)body->at);
  put_u32 (self, 1);
  put_u32 (self, 0);
  put_field (self, 1, "o", "/org/berth/Berth1");
  put_field (self, 2, "s", "org.berth.Berth1.Manager");
  put_field (self, 3, "s", method);
  if (body->at > 0)
    {
      put_field (self, 8, "g", "a{sv}");
      align (self, 8);
      put (self, "\11\1u", 4);
      put_u32 (self, 1);
    }
  size = (uint32_t)(self->at - 16);
  memcpy (self->data + 12, &size, sizeof size);
  align (self, 8);
  put (self, body->data, body->at);
}

static int
connect_to (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char greeting[64];
  char answer[256];
  char uid[16];
  int length = snprintf (uid, sizeof uid, "%u", geteuid ());
  size_t at = (size_t)snprintf (greeting, sizeof greeting, "%cAUTH EXTERNAL ", 0);

  for (int i = 0; i < length; i++)
    at += (size_t)snprintf (greeting + at, sizeof greeting - at, "%02x", uid[i]);
  at += (size_t)snprintf (greeting + at, sizeof greeting - at,
                          "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
  strncpy (address.sun_path, path, sizeof address.sun_path - 1);
  check (connect (fd, (struct sockaddr *)&address, sizeof address) == 0, path);
  check (write (fd, greeting, at) == (ssize_t)at, path);
  for (at = 0; memmem (answer, at, "AGREE_UNIX_FD\r\n", 15) == NULL;)
    {
      ssize_t got = read (fd, answer + at, sizeof answer - at);

      check (got > 0, "the authentication");
      at += (size_t)got;
    }
  return fd;
}

static void
send_call (int fd, const Bytes *call, int output)
{
  union
  {
    char room[CMSG_SPACE (sizeof (int))];
    struct cmsghdr align;
  } control;
  struct iovec piece = { (void *)call->data, call->at };
  struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

  if (output >= 0)
    {
      struct cmsghdr *head = &control.align;

      message.msg_control = &control;
      message.msg_controllen = sizeof control;
      head->cmsg_level = SOL_SOCKET;
      head->cmsg_type = SCM_RIGHTS;
      head->cmsg_len = CMSG_LEN (sizeof output);
      memcpy (CMSG_DATA (head), &output, sizeof output);
    }
  check (sendmsg (fd, &message, MSG_NOSIGNAL) == (ssize_t)call->at, "the call");
  if (output >= 0)
    close (output);
}

static void
read_all (int fd, void *data, size_t size)
{
  check (recv (fd, data, size, MSG_WAITALL) == (ssize_t)size, "the answer");
}

static void
read_answer (int fd)
{
  uint8_t head[16];
  uint8_t *rest;
  uint32_t body, fields;
  size_t size;

  read_all (fd, head, sizeof head);
  memcpy (&body, head + 4, sizeof body);
  memcpy (&fields, head + 12, sizeof fields);
  size = ((fields + 7u) & ~7u) + body;
  rest = malloc (size);
  read_all (fd, rest, size);
  check (head[1] == 2, "a call that is answered");
  free (rest);
}

/* The program's output first: its end comes before the answer */
static void
carry (int from)
{
  char chunk[4096];
  ssize_t got;

  while ((got = read (from, chunk, sizeof chunk)) > 0)
    check (write (STDOUT_FILENO, chunk, (size_t)got) == got, "standard output");
  close (from);
}

int
main (int argc, char **argv)
{
  Bytes body = { .at = 0 };
  Bytes call = { .at = 0 };
  int ends[2] = { -1, -1 };
  int is_run = argc == 3 && strcmp (argv[2], "run") == 0;
  int fd;

  if (argc != 3)
    return 2;
  fd = connect_to (argv[1]);
  if (is_run)
    {
      check (pipe (ends) == 0, "a pipe");
      put_options (&body);
    }
  put_call (&call, is_run ? "Run" : "Status", &body);
  send_call (fd, &call, ends[1]);
  if (is_run)
    carry (ends[0]);
  read_answer (fd);
  return EXIT_SUCCESS;
}
