/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes QEMU's migration stream apart: which pages of RAM does it carry, and what is behind them.
 * The format is what QEMU 7.2 and 10.0 write (its migration/savevm.c and ram.c): version 3 of the
 * file, version 4 of the section "ram", x-ignore-shared as the one capability. Whatever else comes
 * is refused, for it would be a state with holes. */
#include "plugin/snapshot/berth-difference.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pool/berth-error.h"

#define PAGE 4096u
#define BUFFER (1u << 20)
#define WINDOW (64u * PAGE) /* of the base that is read at once */
#define CONFIGURATION_MAX 4096u
#define SILENCE_MS 30000

#define FILE_MAGIC 0x5145564du
#define FILE_VERSION 3u
#define SECTION_START 0x01
#define SECTION_PART 0x02
#define SECTION_END 0x03
#define SECTION_FOOTER 0x7e
#define COMMAND 0x08 /* since QEMU 10: between two sections */
#define FLAG_ZERO 0x02u
#define FLAG_MEM_SIZE 0x04u
#define FLAG_PAGE 0x08u
#define FLAG_EOS 0x10u
#define FLAG_CONTINUE 0x20u
#define BLOCK_NAME_MAX 256u /* of a block: length and bytes */

typedef struct
{
  int in;
  int out;
  const BerthDifferenceBase *base;
  GCancellable *cancellable;
  BerthDifferenceStats *stats;
  GError **error;
  guint8 *input;
  gsize start;
  gsize fill;
  guint8 *output;
  gsize output_fill;
  guint8 *window; /* of the base */
  guint64 window_at;
  guint8 *is_kept;                /* for each page: a stream may carry it again */
  gboolean has_addresses;         /* x-ignore-shared was on: each block's head has 8 bytes more */
  gboolean is_base;               /* the block that records go on with is the one of the base */
  guint8 current[BLOCK_NAME_MAX]; /* its name, as read */
  guint8 written[BLOCK_NAME_MAX]; /* of the block that the output goes on with */
} Splitter;

static gboolean
fail (Splitter *self, const char *what)
{
  if (*self->error == NULL) /* else it ended for another reason */
    g_set_error (self->error, BERTH_ERROR, BERTH_ERROR_INTERNAL,
                 "QEMU's stream of the VM's state can't be used: %s", what);
  return FALSE;
}

static gboolean
fail_errno (Splitter *self, const char *doing)
{
  int saved_errno = errno;

  g_set_error (self->error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "%s: %s", doing,
               g_strerror (saved_errno));
  return FALSE;
}

/* A full disk is what somebody can mend. */
static gboolean
fail_write (Splitter *self)
{
  fail_errno (self, "what the VM has changed can't be written");
  if (g_error_matches (*self->error, G_IO_ERROR, G_IO_ERROR_NO_SPACE))
    {
      g_autofree char *words = g_strconcat (
          (*self->error)->message, ": make room where snapshots are kept (snapshot_dir)", NULL);

      g_clear_error (self->error);
      g_set_error_literal (self->error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, words);
    }
  return FALSE;
}

/* ---- reading and writing ---- */

static gboolean
is_late (Splitter *self)
{
  return self->base->end_us != 0 && g_get_monotonic_time () >= self->base->end_us;
}

/* No byte moves the end of all of it: who sends one now and then would never be through. */
static gint
limit_ms (Splitter *self)
{
  gint64 left_us = self->base->end_us - g_get_monotonic_time ();

  return self->base->end_us == 0 ? SILENCE_MS : (gint)CLAMP (left_us / 1000 + 1, 0, SILENCE_MS);
}

static gboolean
await_input (Splitter *self)
{
  GPollFD fds[2] = { { .fd = self->in, .events = G_IO_IN } };
  gboolean has_cancel
      = self->cancellable != NULL && g_cancellable_make_pollfd (self->cancellable, &fds[1]);
  gint ready;

  do
    ready = g_poll (fds, has_cancel ? 2 : 1, limit_ms (self));
  while (ready < 0 && errno == EINTR);
  if (has_cancel)
    g_cancellable_release_fd (self->cancellable);
  if (g_cancellable_set_error_if_cancelled (self->cancellable, self->error))
    return FALSE;
  if (is_late (self))
    return fail (self, "it does not come to its end");
  return ready > 0 || fail (self, "it does not go on");
}

/* Reads what is there; @out_count: 0 at the end. */
static gboolean
read_more (Splitter *self, gsize *out_count)
{
  gssize count = -1;

  do
    {
      if (!await_input (self))
        return FALSE;
      count = read (self->in, self->input + self->fill, /* lint: caller-fd: from QEMU */
                    BUFFER - self->fill);
    }
  while (count < 0 && errno == EINTR);
  if (count < 0)
    return fail_errno (self, "QEMU's stream");
  self->fill += (gsize)count;
  self->stats->in_bytes += (guint64)count;
  *out_count = (gsize)count;
  return self->stats->in_bytes <= self->base->size + BERTH_DIFFERENCE_MORE_BYTES
         || fail (self, "it is larger than the VM");
}

/* Makes @size bytes readable at the start. */
static gboolean
need (Splitter *self, gsize size)
{
  gsize count;

  if (BUFFER - self->start < size)
    {
      memmove (self->input, self->input + self->start, self->fill - self->start);
      self->fill -= self->start;
      self->start = 0;
    }
  while (self->fill - self->start < size)
    {
      if (!read_more (self, &count))
        return FALSE;
      if (count == 0)
        return fail (self, "it ends early");
    }
  return TRUE;
}

static gboolean
check_room (Splitter *self)
{
  guint64 most = self->base->max_bytes;

  if (most == 0 || self->stats->out_bytes + self->output_fill <= most)
    return TRUE;
  g_set_error (self->error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "what the VM has changed is more than the %" G_GUINT64_FORMAT
               " MiB of disk that it may have just now (forks_mb, uid_forks_mb; of a checkpoint "
               "checkpoint_mb, checkpoint_user_mb): ask again when other forks are through, or a "
               "checkpoint was removed",
               most >> 20);
  return FALSE;
}

static gboolean
flush (Splitter *self)
{
  gsize sent = 0;

  if (!check_room (self))
    return FALSE;
  while (sent < self->output_fill)
    {
      gssize count = write (self->out, self->output + sent, /* lint: caller-fd: a file of ours */
                            self->output_fill - sent);

      if (count < 0 && errno != EINTR)
        return fail_write (self);
      sent += (gsize)MAX (count, 0);
    }
  self->stats->out_bytes += sent;
  self->output_fill = 0;
  return TRUE;
}

static gboolean
put (Splitter *self, const void *bytes, gsize size)
{
  if (BUFFER - self->output_fill < size && !flush (self))
    return FALSE;
  memcpy (self->output + self->output_fill, bytes, size);
  self->output_fill += size;
  return TRUE;
}

/* Copies @size bytes; (nullable) where they are, until the next call. */
static const guint8 *
pass (Splitter *self, gsize size)
{
  const guint8 *bytes;

  if (!need (self, size))
    return NULL;
  bytes = self->input + self->start;
  self->start += size;
  return put (self, bytes, size) ? bytes : NULL;
}

static guint64
big_endian (const guint8 *bytes, guint count)
{
  guint64 value = 0;

  for (guint i = 0; i < count; i++)
    value = value << 8 | bytes[i];
  return value;
}

/* (nullable): the base's page at @offset. Read, not mapped: who cuts the file short could end this
 * process. */
static const guint8 *
base_page (Splitter *self, guint64 offset)
{
  gsize size;

  if (offset < self->window_at || offset - self->window_at >= WINDOW)
    {
      self->window_at = offset - offset % WINDOW;
      size = (gsize)MIN (WINDOW, self->base->size - self->window_at);
      if (pread (self->base->fd, self->window, size, /* lint: caller-fd: a snapshot's */
                 (off_t)self->window_at)
          != (gssize)size)
        {
          self->window_at = G_MAXUINT64 - WINDOW;
          fail (self, "the RAM file that it is compared with can't be read whole");
          return NULL;
        }
    }
  return self->window + (offset - self->window_at);
}

/* ---- the stream ---- */

/* The file's head and its configuration, up to the section of RAM. */
static gboolean
pass_head (Splitter *self)
{
  static const guint8 ram[] = { 3, 'r', 'a', 'm', 0, 0, 0, 0, 0, 0, 0, 4 };

  if (!need (self, 8) || big_endian (self->input, 4) != FILE_MAGIC
      || big_endian (self->input + 4, 4) != FILE_VERSION)
    return fail (self, "it is none");
  for (gsize seen = 8; seen <= CONFIGURATION_MAX; seen++)
    {
      if (!need (self, seen + 5 + sizeof ram))
        return FALSE;
      if (self->input[seen] != SECTION_START
          || memcmp (self->input + seen + 5, ram, sizeof ram) != 0)
        continue;
      self->has_addresses = memmem (self->input, seen, "\x0fx-ignore-shared", 16) != NULL;
      return pass (self, seen + 5 + sizeof ram) != NULL;
    }
  return fail (self, "it has no RAM");
}

static gboolean
is_base (Splitter *self, const guint8 *name)
{
  return name[0] == strlen (self->base->block)
         && memcmp (name + 1, self->base->block, name[0]) == 0;
}

static gboolean
pass_blocks (Splitter *self, guint64 total)
{
  while (total > 0)
    {
      guint8 name[BLOCK_NAME_MAX];
      const guint8 *bytes = pass (self, 1);
      guint64 length;

      if (bytes == NULL)
        return FALSE;
      name[0] = bytes[0];
      bytes = pass (self, (gsize)name[0] + (self->has_addresses ? 16 : 8));
      if (bytes == NULL)
        return FALSE;
      memcpy (name + 1, bytes, name[0]);
      length = big_endian (bytes + name[0], 8);
      if (length == 0 || length > total || (is_base (self, name) && length != self->base->size))
        return fail (self, "a block has another size");
      total -= length;
    }
  return TRUE;
}

static gboolean
put_record (Splitter *self, guint64 offset, guint64 flags, const guint8 *contents, gsize size)
{
  gboolean is_same = memcmp (self->current, self->written, 1u + self->current[0]) == 0;
  guint64 head = GUINT64_TO_BE (offset | flags | (is_same ? FLAG_CONTINUE : 0));

  if (!put (self, &head, sizeof head)
      || (!is_same && !put (self, self->current, 1u + self->current[0])))
    return FALSE;
  memcpy (self->written, self->current, 1u + self->current[0]);
  return put (self, contents, size);
}

static gboolean
take_base_page (Splitter *self, guint64 offset, guint64 flags, const guint8 *contents, gsize size)
{
  static const guint8 zero_page[PAGE];
  const gboolean is_zero = flags == FLAG_ZERO;
  const guint8 *before;

  if (offset >= self->base->size || (is_zero && contents[0] != 0))
    return fail (self, "a page that can't be");
  before = base_page (self, offset);
  if (before == NULL)
    return FALSE;
  self->stats->pages++;
  if (!self->is_kept[offset / PAGE] && memcmp (is_zero ? zero_page : contents, before, PAGE) == 0)
    return TRUE;
  self->stats->kept += !self->is_kept[offset / PAGE];
  self->is_kept[offset / PAGE] = 1;
  return put_record (self, offset, flags, contents, size);
}

static gboolean
take_page (Splitter *self, guint64 offset, guint64 flags)
{
  const gsize size = flags == FLAG_ZERO ? 1 : PAGE;
  const guint8 *contents;

  if (!need (self, size))
    return FALSE;
  contents = self->input + self->start;
  self->start += size;
  return self->is_base ? take_base_page (self, offset, flags, contents, size)
                       : put_record (self, offset, flags, contents, size);
}

static gboolean
take_name (Splitter *self)
{
  gsize size;

  /* without a name it could not be told from one that goes on with the block before it */
  if (!need (self, 1) || self->input[self->start] == 0
      || !need (self, 1u + self->input[self->start]))
    return FALSE;
  size = 1u + self->input[self->start];
  memcpy (self->current, self->input + self->start, size);
  self->start += size;
  self->is_base = is_base (self, self->current);
  return TRUE;
}

/* One record; @out_is_last: it was the mark of its part's end. */
static gboolean
take_record (Splitter *self, gboolean *out_is_last)
{
  guint64 head;
  guint64 flags;
  guint64 offset;

  if (!need (self, 8))
    return FALSE;
  head = big_endian (self->input + self->start, 8);
  flags = head & (PAGE - 1);
  offset = head & ~(guint64)(PAGE - 1);
  *out_is_last = flags == FLAG_EOS;
  if (flags == FLAG_EOS)
    return pass (self, 8) != NULL;
  if (flags == FLAG_MEM_SIZE)
    return pass (self, 8) != NULL && pass_blocks (self, offset);
  self->start += 8;
  if ((flags & FLAG_CONTINUE) != 0 ? self->current[0] == 0 : !take_name (self))
    return fail (self, "a page of no block");
  flags &= ~(guint64)FLAG_CONTINUE;
  if (flags != FLAG_PAGE && flags != FLAG_ZERO)
    return fail (self, "a kind of page that is not known");
  return take_page (self, offset, flags);
}

/* Goes on to the next section of RAM. */
static gboolean
pass_section_head (Splitter *self, guint *out_kind)
{
  for (;;)
    {
      const guint8 *bytes = pass (self, 5);
      guint64 size;

      if (bytes == NULL)
        return FALSE;
      *out_kind = bytes[0];
      if (*out_kind == SECTION_PART || *out_kind == SECTION_END)
        return TRUE;
      if (*out_kind != COMMAND)
        return fail (self, "a section that is not RAM's");
      size = big_endian (bytes + 3, 2); /* behind which command it is */
      if (size > 0 && pass (self, (gsize)size) == NULL)
        return FALSE;
    }
}

static gboolean
take_sections (Splitter *self)
{
  guint kind = SECTION_START;

  for (;;)
    {
      const guint8 *bytes;
      gboolean is_last = FALSE;

      while (!is_last)
        if (!take_record (self, &is_last))
          return FALSE;
      bytes = pass (self, 5);
      if (bytes == NULL)
        return FALSE;
      if (bytes[0] != SECTION_FOOTER)
        return fail (self, "a section without an end");
      if (kind == SECTION_END)
        return TRUE;
      if (!pass_section_head (self, &kind))
        return FALSE;
    }
}

/* The devices' state. */
static gboolean
pass_rest (Splitter *self)
{
  gsize count = 0;

  do
    {
      if (!put (self, self->input + self->start, self->fill - self->start) || !flush (self))
        return FALSE;
      self->start = self->fill = 0;
      if (!read_more (self, &count))
        return FALSE;
    }
  while (count > 0);
  return TRUE;
}

gboolean
berth_difference_split (int in, int out, const BerthDifferenceBase *base, GCancellable *cancellable,
                        BerthDifferenceStats *out_stats, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autofree guint8 *input = g_malloc (BUFFER);
  g_autofree guint8 *output = g_malloc (BUFFER);
  g_autofree guint8 *window = g_malloc (WINDOW);
  g_autofree guint8 *is_kept = g_malloc0 (base->size / PAGE);
  Splitter self = { .in = in,
                    .out = out,
                    .base = base,
                    .cancellable = cancellable,
                    .stats = out_stats,
                    .error = &reason,
                    .input = input,
                    .output = output,
                    .window = window,
                    .window_at = G_MAXUINT64 - WINDOW,
                    .is_kept = is_kept };

  g_return_val_if_fail (base->size > 0 && base->size % PAGE == 0, FALSE);
  *out_stats = (BerthDifferenceStats){ 0 };
  if (pass_head (&self) && take_sections (&self) && pass_rest (&self))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&reason));
  return FALSE;
}
