/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Process 1 of a guest that has fallen to whoever runs in it. What the test wants of it stands in
 * its own file, the initramfs's /init, behind the marker below, where the test has put it. libc
 * only, static. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "berth-protocol.h"

/* not const: the compiler must not know it */
static volatile char mode[64] = "hostile-mode=silent                    ";

static bool
is_mode (const char *name)
{
  char text[sizeof mode];

  for (size_t i = 0; i < sizeof mode; i++)
    text[i] = mode[i];
  return strncmp (text + strlen ("hostile-mode="), name, strlen (name)) == 0;
}

static void
load_modules (void)
{
  FILE *order = fopen ("/lib/modules/order", "r");
  char name[200], path[300];

  while (order != NULL && fscanf (order, "%199s", name) == 1)
    {
      int fd;

      snprintf (path, sizeof path, "/lib/modules/%s", name);
      fd = open (path, O_RDONLY);
      syscall (SYS_finit_module, fd, "", 0);
      close (fd);
    }
}

static int
open_port (void)
{
  for (;;)
    {
      DIR *dev = opendir ("/dev");
      struct dirent *entry;
      char path[300];
      int fd = -1;

      while (fd < 0 && (entry = readdir (dev)) != NULL)
        {
          snprintf (path, sizeof path, "/dev/%s", entry->d_name);
          if (strncmp (entry->d_name, "vport", 5) == 0)
            fd = open (path, O_RDWR);
        }
      closedir (dev);
      if (fd >= 0)
        return fd;
      usleep (10000);
    }
}

static void
send_all (int fd, const void *bytes, size_t size)
{
  for (size_t done = 0; done < size;)
    {
      ssize_t put = write (fd, (const char *)bytes + done, size - done);

      if (put > 0)
        done += (size_t)put;
      else if (errno != EINTR && errno != EAGAIN)
        usleep (10000);
    }
}

static void
send_frame (int fd, uint32_t type, uint32_t request, const void *payload, uint32_t length)
{
  uint8_t frame[BERTH_FRAME_HEAD_SIZE + BERTH_FRAME_MAX_PAYLOAD] = { 0 };

  berth_frame_head_write (frame, type, request, length);
  memcpy (frame + BERTH_FRAME_HEAD_SIZE, payload, length);
  send_all (fd, frame, BERTH_FRAME_HEAD_SIZE + length);
}

static void
read_all (int fd, void *bytes, size_t size)
{
  for (size_t done = 0; done < size;)
    {
      ssize_t got = read (fd, (char *)bytes + done, size - done);

      if (got > 0)
        done += (size_t)got;
      else
        usleep (10000); /* no host yet */
    }
}

static BerthFrameHead
read_frame (int fd, uint8_t payload[BERTH_FRAME_MAX_PAYLOAD])
{
  uint8_t bytes[BERTH_FRAME_HEAD_SIZE];
  BerthFrameHead head = { 0 };

  read_all (fd, bytes, sizeof bytes);
  if (berth_frame_head_read (bytes, &head))
    read_all (fd, payload, head.length);
  return head;
}

static void
flood_noise (int fd)
{
  static uint8_t noise[65536];
  uint32_t state = 1;

  for (;;)
    {
      for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
      send_all (fd, noise, sizeof noise);
    }
}

static void
answer_hello (int fd, uint32_t request, const BerthHello *hello)
{
  BerthHelloReply reply = { .version = BERTH_PROTOCOL_VERSION,
                            .flags = BERTH_HELLO_READY,
                            .boot_us = 1,
                            .ready_us = 1,
                            .languages = 0xe };

  memcpy (reply.magic, hello->magic, sizeof reply.magic);
  memcpy (reply.nonce, hello->nonce, sizeof reply.nonce);
  send_frame (fd, BERTH_FRAME_HELLO_REPLY, request, &reply, sizeof reply);
}

static void
answer_identity (int fd, uint32_t request, const BerthIdentity *identity)
{
  static uint8_t count;
  BerthIdentityDone done = { .realtime_ns = identity->realtime_ns };

  memset (done.random, ++count, sizeof done.random);
  memcpy (done.random + 1, identity->seed, 16);
  send_frame (fd, BERTH_FRAME_IDENTITY_DONE, request, &done, sizeof done);
}

/* Programs that do not stand still, whatever is said of them. */
static void
write_always (void)
{
  static uint8_t pages[32][4096];

  if (fork () != 0)
    return;
  for (uint8_t value = 0;; value++)
    for (size_t i = 0; i < sizeof pages; i++)
      ((volatile uint8_t *)pages[0])[i] = value;
}

/* A guest that does as it is told until it is to stand still: FALSE: this mode does not. */
static bool
comply (int fd, uint32_t request)
{
  BerthExit end = { .status = 0 };

  if (!is_mode ("never-freezes") && !is_mode ("never-thaws") && !is_mode ("says-frozen"))
    return false;
  send_frame (fd, BERTH_FRAME_STARTED, request, NULL, 0);
  send_frame (fd, BERTH_FRAME_EXIT, request, &end, sizeof end);
  return true;
}

static void
answer_freeze (int fd, const BerthFrameHead *head)
{
  uint8_t answer[4] = { head->type == BERTH_FRAME_FREEZE };

  if (is_mode ("says-frozen")
      || (is_mode ("never-thaws") ? head->type == BERTH_FRAME_FREEZE
                                  : head->type == BERTH_FRAME_THAW))
    send_frame (fd, BERTH_FRAME_FROZEN, head->request, answer, sizeof answer);
}

/* What each mode does once there is code to run. */
static void
betray (int fd, uint32_t request)
{
  static uint8_t data[BERTH_FRAME_MAX_PAYLOAD] = { BERTH_STREAM_STDOUT };
  BerthExit end = { .status = 0 };
  uint8_t head[BERTH_FRAME_HEAD_SIZE];

  send_frame (fd, BERTH_FRAME_STARTED, request, NULL, 0);
  if (is_mode ("no-credit"))
    for (;;)
      send_frame (fd, BERTH_FRAME_DATA, request, data, sizeof data);
  else if (is_mode ("other-request"))
    for (;;)
      send_frame (fd, BERTH_FRAME_EXIT, request + 1, &end, sizeof end);
  else if (is_mode ("any-frame"))
    for (uint32_t type = 0;; type = (type + 1) % 48)
      send_frame (fd, type, request, data, 8);
  else if (is_mode ("length"))
    {
      berth_frame_head_write (head, BERTH_FRAME_DATA, request, 0xfffffff0u);
      send_all (fd, head, sizeof head);
    }
  for (;;) /* "never-ends", and what the others do when they have done it */
    pause ();
}

static void
serve (int fd)
{
  static uint8_t payload[BERTH_FRAME_MAX_PAYLOAD];

  for (;;)
    {
      BerthFrameHead head = read_frame (fd, payload);

      if (head.type == BERTH_FRAME_HELLO)
        answer_hello (fd, head.request, (BerthHello *)payload);
      else if (head.type == BERTH_FRAME_IDENTITY)
        answer_identity (fd, head.request, (BerthIdentity *)payload);
      else if (head.type == BERTH_FRAME_PING)
        send_frame (fd, BERTH_FRAME_PONG, head.request, payload, 8);
      else if (head.type == BERTH_FRAME_FREEZE || head.type == BERTH_FRAME_THAW)
        answer_freeze (fd, &head);
      else if (head.type == BERTH_FRAME_EXEC && !comply (fd, head.request))
        betray (fd, head.request);
    }
}

int
main (void)
{
  int fd;

  mkdir ("/dev", 0755);
  mount ("dev", "/dev", "devtmpfs", 0, NULL);
  load_modules ();
  fd = open_port ();
  if (is_mode ("noise"))
    flood_noise (fd);
  while (is_mode ("silent"))
    pause ();
  if (is_mode ("says-frozen"))
    write_always ();
  serve (fd);
}
