/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides which bytes of a guest's links move, when, and what an end of either side is to the
 * other. A link's window is its share of a bounded whole, and what waits for a descriptor that
 * takes nothing is within it; what waits for the guest stays in the descriptor. */
#include "berth-guest-link.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "berth-guest-private.h"
#include "plugin/base/berth-caller-fd.h"
#include "plugin/base/berth-source.h"
#include "pool/berth-error.h"

/* A link's window, and what those of one guest take before each is given the least. */
#define WINDOW_MOST BERTH_LINK_CREDIT_MAX
#define WINDOW_LEAST (16u * 1024u)
#define WINDOWS_MAX (4u * 1024u * 1024u)
/* An agent that tells of its own time limit has told before. */
#define OPEN_TIMEOUT_MS (BERTH_LINK_TIMEOUT_MS + 10000u)
/* A connection that broke in the guest is broken here, too, when its rest is taken no more. */
#define RINSE_TIMEOUT_MS 10000u

typedef enum
{
  LINK_OPENS, /* ours: the agent has not answered */
  LINK_ASKS,  /* a program's: nobody has answered it yet */
  LINK_FLOWS,
  LINK_ENDS,  /* nothing moves; the agent's LINK_END is awaited, and perhaps an answer of ours */
  LINK_RINSES /* the agent has ended it; what came before still goes to the descriptor, and counts
               */
} LinkState;

struct _BerthGuestLink
{
  BerthGuestLinks *all; /* NULL: not one of theirs any more */
  BerthGuest *guest;    /* owned, of a program's that is not answered yet */
  LinkState state;
  guint32 id;
  gboolean is_unanswered; /* a program's: the caller has it, too */
  GTask *task;            /* (nullable): owned */
  gulong cancelled_id;
  int fd;                /* -1: none (any more) */
  guint32 uid;           /* whose words those of the guest are */
  BerthLinkMeter *meter; /* (nullable) */
  GSource *readable;
  GSource *writable;
  GSource *timeout;
  guint32 window;       /* of what comes from the guest */
  guint32 guest_credit; /* what it may still send */
  guint32 owed;         /* credit that is still to be given back */
  guint32 credit;       /* what the guest takes */
  gboolean has_ended;   /* no more goes to the guest */
  gboolean guest_has_ended;
  gboolean is_stalled; /* it stands in line for room in the channel */
  GByteArray *waiting; /* (nullable): for the descriptor */
  gsize waiting_done;
  BerthLinkResult result;
};

struct _BerthGuestLinks
{
  BerthGuest *guest;
  BerthFrameChannel *channel;
  guint32 *last_request;
  GHashTable *links;  /* id -> BerthGuestLink (owned) */
  GPtrArray *rinsing; /* BerthGuestLink (owned): without an id any more */
  GQueue stalled;     /* BerthGuestLink (borrowed) */
  guint own, theirs;  /* of each kind, with those that rinse: their bytes are there */
  guint32 reserved;
  BerthGuestLinkFunc func;
  gpointer func_data;
};

static void
link_stop (BerthGuestLink *self)
{
  berth_source_clear (&self->readable);
  berth_source_clear (&self->writable);
  berth_source_clear (&self->timeout);
}

/* @is_reset: the other end of the descriptor hears that it broke. */
static void
link_close (BerthGuestLink *self, gboolean is_reset)
{
  const struct linger at_once = { .l_onoff = 1 };

  link_stop (self);
  g_clear_pointer (&self->waiting, g_byte_array_unref);
  if (self->fd < 0)
    return;
  if (is_reset)
    setsockopt (self->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  berth_caller_fd_close (self->fd);
  self->fd = -1;
}

static void
link_free (BerthGuestLink *self)
{
  g_assert (self->task == NULL);
  link_close (self, TRUE);
  g_clear_object (&self->guest);
  g_clear_pointer (&self->meter, berth_link_meter_unref);
  g_free (self);
}

/* Takes it out; a program's stays with who has not answered it. */
static void
links_remove (BerthGuestLinks *self, BerthGuestLink *link)
{
  if (link->state == LINK_RINSES)
    g_ptr_array_remove_fast (self->rinsing, link);
  else
    g_hash_table_steal (self->links, GUINT_TO_POINTER (link->id));
  *(link->id & BERTH_LINK_OF_AGENT ? &self->theirs : &self->own) -= 1;
  self->reserved -= link->window;
  if (link->is_stalled)
    g_queue_remove (&self->stalled, link);
  link->all = NULL;
  if (!link->is_unanswered)
    link_free (link);
}

/* The call's task and result are its own from here on. */
static GTask *
link_steal_task (BerthGuestLink *self, BerthLinkReason reason, BerthLinkResult *out_result)
{
  self->result.reason = reason;
  *out_result = self->result;
  if (self->cancelled_id != 0)
    g_signal_handler_disconnect (g_task_get_cancellable (self->task), self->cancelled_id);
  self->cancelled_id = 0;
  if (self->task != NULL)
    g_task_set_task_data (self->task, NULL, NULL);
  return g_steal_pointer (&self->task);
}

/* Tells the caller, who may do anything then: nothing of the link is touched after it. */
static void
tell (GTask *task, const BerthLinkResult *result)
{
  g_autoptr (GTask) owned = task;

  if (task != NULL && !g_task_return_error_if_cancelled (task))
    g_task_return_pointer (task, g_memdup2 (result, sizeof *result), g_free);
}

/* It has ended on both sides. */
static void
link_finish (BerthGuestLink *self, BerthLinkReason reason)
{
  BerthLinkResult result;
  GTask *task = link_steal_task (self, reason, &result);

  link_close (self, reason != BERTH_LINK_DONE);
  links_remove (self->all, self);
  tell (task, &result);
}

/* The host wants no more of it. */
static void
link_end (BerthGuestLink *self, BerthLinkReason reason)
{
  BerthLinkResult result;
  guint8 payload[4];

  if (self->state == LINK_ENDS)
    return;
  if (self->state == LINK_RINSES)
    {
      link_finish (self, reason);
      return;
    }
  link_close (self, TRUE);
  self->state = LINK_ENDS;
  berth_le32_write (payload, reason);
  berth_frame_channel_send (self->all->channel, BERTH_FRAME_LINK_END, self->id, payload,
                            sizeof payload, NULL, 0);
  tell (link_steal_task (self, reason, &result), &result);
}

static void
link_send_data (BerthGuestLink *self, gconstpointer bytes, gsize size)
{
  guint8 stream[4];

  berth_le32_write (stream, BERTH_STREAM_LINK);
  berth_frame_channel_send (self->all->channel, BERTH_FRAME_DATA, self->id, stream, sizeof stream,
                            bytes, size);
}

static void link_watch (BerthGuestLink *self);

/* One piece from the descriptor to the guest, or its end. @is_broken: an error is told that recv(2)
 * may not know of, and it would be told for ever. */
static void
link_pump (BerthGuestLink *self, gboolean is_broken)
{
  guint8 bytes[BERTH_LINK_PIECE];
  gssize count = berth_caller_fd_receive (self->fd, bytes, MIN (self->credit, sizeof bytes));

  if (count < 0 && (is_broken || (errno != EAGAIN && errno != EINTR)))
    {
      link_end (self, BERTH_LINK_RESET);
      return;
    }
  if (count >= 0)
    {
      self->credit -= (guint32)count;
      self->result.sent_bytes += (guint64)count;
      berth_link_meter_add (self->meter, (guint64)count, 0);
      self->has_ended = count == 0;
      link_send_data (self, bytes, (gsize)count);
    }
  link_watch (self);
}

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthGuestLink *self = user_data;

  if (berth_frame_channel_is_full (self->all->channel))
    link_watch (self);
  else
    link_pump (self, (condition & G_IO_ERR) != 0);
  return G_SOURCE_CONTINUE;
}

static void
link_attach (BerthGuestLink *self, GSource **source, GIOCondition condition, GUnixFDSourceFunc func)
{
  *source = g_unix_fd_source_new (self->fd, condition);
  g_source_set_callback (*source, G_SOURCE_FUNC (func), self, NULL);
  g_source_attach (*source, g_main_context_get_thread_default ());
}

/* Looks at the descriptor where its bytes may go on; gets into line where the guest's channel is
 * full. */
static void
link_watch (BerthGuestLink *self)
{
  gboolean is_wanted = self->state == LINK_FLOWS && !self->has_ended && self->credit > 0;

  if (is_wanted && berth_frame_channel_is_full (self->all->channel))
    {
      if (!self->is_stalled)
        g_queue_push_tail (&self->all->stalled, self);
      self->is_stalled = TRUE;
    }
  if (!is_wanted || self->is_stalled)
    berth_source_clear (&self->readable);
  else if (self->readable == NULL)
    link_attach (self, &self->readable, G_IO_IN | G_IO_HUP | G_IO_ERR, readable_cb);
}

/* Gives credit back where it is worth a frame, and the guest has room for one. */
static void
link_give_credit (BerthGuestLink *self)
{
  guint8 payload[8];

  if (self->state != LINK_FLOWS || self->guest_has_ended || self->owed < self->window / 4
      || berth_frame_channel_is_full (self->all->channel))
    return;
  berth_le32_write (payload, BERTH_STREAM_LINK);
  berth_le32_write (payload + 4, self->owed);
  berth_frame_channel_send (self->all->channel, BERTH_FRAME_CREDIT, self->id, payload,
                            sizeof payload, NULL, 0);
  self->guest_credit += self->owed;
  self->owed = 0;
}

/* Everything that came has gone to the descriptor. */
static void
link_drained (BerthGuestLink *self)
{
  if (self->guest_has_ended)
    shutdown (self->fd, SHUT_WR);
  if (self->state == LINK_RINSES)
    link_finish (self, self->result.reason);
}

/* Hands bytes over; those that it took, -1 where it takes nothing any more. */
static gssize
link_write (BerthGuestLink *self, const guint8 *bytes, gsize size)
{
  gsize done = 0;

  while (done < size)
    {
      gssize count = berth_caller_fd_send_as (self->fd, bytes + done, size - done, self->uid);

      if (count >= 0)
        done += (gsize)count;
      else if (errno == EAGAIN)
        break;
      else if (errno != EINTR)
        return -1;
    }
  self->owed += (guint32)done;
  berth_link_meter_add (self->meter, 0, done);
  return (gssize)done;
}

static gboolean
writable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  BerthGuestLink *self = user_data;
  gssize done = link_write (self, self->waiting->data + self->waiting_done,
                            self->waiting->len - self->waiting_done);

  if (done < 0 || (done == 0 && (condition & G_IO_ERR) != 0))
    {
      link_end (self, BERTH_LINK_RESET);
      return G_SOURCE_REMOVE;
    }
  self->waiting_done += (gsize)done;
  if (done > 0 && self->timeout != NULL)
    g_source_set_ready_time (self->timeout, g_get_monotonic_time () + RINSE_TIMEOUT_MS * 1000);
  if (self->waiting_done == self->waiting->len)
    {
      g_clear_pointer (&self->waiting, g_byte_array_unref);
      berth_source_clear (&self->writable);
      link_give_credit (self);
      link_drained (self);
      return G_SOURCE_REMOVE;
    }
  link_give_credit (self);
  return G_SOURCE_CONTINUE;
}

/* For the descriptor, when it takes more */
static void
link_keep (BerthGuestLink *self, const guint8 *bytes, gsize size)
{
  if (self->waiting == NULL)
    {
      self->waiting = g_byte_array_new ();
      self->waiting_done = 0;
    }
  else if (self->waiting_done >= self->window / 2)
    {
      g_byte_array_remove_range (self->waiting, 0, (guint)self->waiting_done);
      self->waiting_done = 0;
    }
  g_byte_array_append (self->waiting, bytes, (guint)size);
  if (self->writable == NULL)
    link_attach (self, &self->writable, G_IO_OUT | G_IO_HUP | G_IO_ERR, writable_cb);
}

static gboolean
fail_frame (const char *what, GError **error)
{
  g_set_error (error, BERTH_PROTOCOL_ERROR, BERTH_PROTOCOL_ERROR_UNEXPECTED, "of a link, %s", what);
  return FALSE;
}

static gboolean
link_take_data (BerthGuestLink *self, const guint8 *bytes, guint32 size, GError **error)
{
  gssize done = 0;

  if (size > self->guest_credit)
    return fail_frame ("more bytes than it was given credit for", error);
  if (self->guest_has_ended || self->state == LINK_OPENS || self->state == LINK_ASKS)
    return fail_frame ("bytes at the wrong time", error);
  self->guest_credit -= size;
  self->guest_has_ended = size == 0;
  if (self->state == LINK_ENDS)
    return TRUE;
  self->result.received_bytes += size;
  if (self->waiting == NULL)
    done = link_write (self, bytes, size);
  if (done < 0)
    {
      link_end (self, BERTH_LINK_RESET);
      return TRUE;
    }
  if ((gsize)done < size)
    link_keep (self, bytes + done, size - (gsize)done);
  link_give_credit (self);
  if (self->waiting == NULL)
    link_drained (self);
  return TRUE;
}

static gboolean
link_take_credit (BerthGuestLink *self, guint32 stream, guint32 bytes, GError **error)
{
  if (stream != BERTH_STREAM_LINK || bytes == 0 || bytes > BERTH_LINK_CREDIT_MAX - self->credit
      || self->state == LINK_OPENS || self->state == LINK_ASKS)
    return fail_frame ("a credit that can't be", error);
  self->credit += bytes;
  link_watch (self);
  return TRUE;
}

static gboolean
link_take_opened (BerthGuestLink *self, guint32 credit, GError **error)
{
  if (self->id & BERTH_LINK_OF_AGENT || self->result.was_connected
      || credit > BERTH_LINK_CREDIT_MAX)
    return fail_frame ("an answer that can't be", error);
  self->result.was_connected = TRUE;
  if (self->state == LINK_ENDS)
    return TRUE;
  berth_source_clear (&self->timeout);
  self->state = LINK_FLOWS;
  self->credit = credit;
  link_watch (self);
  return TRUE;
}

static gboolean
timed_out_cb (gpointer user_data)
{
  link_end (user_data, BERTH_LINK_TIMED_OUT);
  return G_SOURCE_REMOVE;
}

static void
link_set_timeout (BerthGuestLink *self, guint timeout_ms)
{
  berth_source_clear (&self->timeout);
  self->timeout = g_timeout_source_new (timeout_ms);
  g_source_set_callback (self->timeout, timed_out_cb, self, NULL);
  g_source_attach (self->timeout, g_main_context_get_thread_default ());
}

/* The id is another's as soon as the agent wants it; the window is the bytes' until they are gone.
 */
static void
link_rinse (BerthGuestLink *self, BerthLinkReason reason)
{
  BerthGuestLinks *all = self->all;

  g_hash_table_steal (all->links, GUINT_TO_POINTER (self->id));
  g_ptr_array_add (all->rinsing, self);
  if (self->is_stalled)
    g_queue_remove (&all->stalled, self);
  self->is_stalled = FALSE;
  self->state = LINK_RINSES;
  self->result.reason = reason;
  if (reason != BERTH_LINK_DONE)
    link_set_timeout (self, RINSE_TIMEOUT_MS);
  link_watch (self);
}

/* The agent's last frame of it: the id is forgotten, the descriptor has what came yet. */
static gboolean
link_take_end (BerthGuestLink *self, BerthLinkReason reason, GError **error)
{
  if (reason == BERTH_LINK_DONE
      && (!self->guest_has_ended || (!self->has_ended && self->state != LINK_ENDS)))
    return fail_frame ("an end before its directions'", error);
  if (reason > BERTH_LINK_FAILED)
    reason = BERTH_LINK_FAILED;
  if (self->waiting != NULL)
    link_rinse (self, reason);
  else
    link_finish (self, reason);
  return TRUE;
}

static gboolean
link_take (BerthGuestLink *self, const BerthFrame *frame, GError **error)
{
  switch (frame->type)
    {
    case BERTH_FRAME_DATA:
      if (berth_le32_read (frame->payload) != BERTH_STREAM_LINK)
        break;
      return link_take_data (self, frame->payload + 4, frame->length - 4, error);
    case BERTH_FRAME_CREDIT:
      return link_take_credit (self, berth_le32_read (frame->payload),
                               berth_le32_read (frame->payload + 4), error);
    case BERTH_FRAME_LINK_OPENED:
      return link_take_opened (self, berth_le32_read (frame->payload), error);
    case BERTH_FRAME_LINK_END:
      return link_take_end (self, berth_le32_read (frame->payload), error);
    default:
      break;
    }
  return fail_frame ("a frame that is not for one", error);
}

static BerthGuestLink *
links_add (BerthGuestLinks *self, guint32 id)
{
  BerthGuestLink *link = g_new0 (BerthGuestLink, 1);
  guint32 share = self->reserved < WINDOWS_MAX ? (WINDOWS_MAX - self->reserved) / 4 : 0;

  link->all = self;
  link->id = id;
  link->fd = -1;
  link->window = link->guest_credit = CLAMP (share, WINDOW_LEAST, WINDOW_MOST);
  self->reserved += link->window;
  *(id & BERTH_LINK_OF_AGENT ? &self->theirs : &self->own) += 1;
  g_hash_table_insert (self->links, GUINT_TO_POINTER (id), link);
  return link;
}

/* (nullable): the name that a LINK_OPEN has, where it may be one */
static char *
dup_name (const BerthFrame *frame)
{
  for (guint32 i = 8; i < frame->length; i++)
    if (!g_ascii_isgraph (frame->payload[i]))
      return NULL;
  return g_strndup ((const char *)frame->payload + 8, frame->length - 8);
}

/* Those of the guest's programs: the agent knows of none of these any more. */
static guint
links_count_rinsing (BerthGuestLinks *self)
{
  guint count = 0;

  for (guint i = 0; i < self->rinsing->len; i++)
    count += (((BerthGuestLink *)self->rinsing->pdata[i])->id & BERTH_LINK_OF_AGENT) != 0;
  return count;
}

static gboolean
links_take_open (BerthGuestLinks *self, const BerthFrame *frame, GError **error)
{
  guint32 credit = berth_le32_read (frame->payload);
  guint32 port = berth_le32_read (frame->payload + 4);
  g_autofree char *name = dup_name (frame);
  gboolean is_full;
  BerthGuestLink *link;

  if (!(frame->request & BERTH_LINK_OF_AGENT) || frame->length == 8 || port == 0
      || port > G_MAXUINT16 || credit > BERTH_LINK_CREDIT_MAX
      || g_hash_table_contains (self->links, GUINT_TO_POINTER (frame->request)))
    return fail_frame ("an open that can't be", error);
  if (self->theirs - links_count_rinsing (self) >= BERTH_LINKS_MAX)
    return fail_frame ("more than it may have", error);
  is_full = self->theirs >= BERTH_LINKS_MAX;
  link = links_add (self, frame->request);
  link->state = LINK_ASKS;
  link->credit = credit;
  if (is_full || name == NULL || self->func == NULL)
    {
      link_end (link, is_full ? BERTH_LINK_LIMIT : BERTH_LINK_DENIED);
      return TRUE;
    }
  link->is_unanswered = TRUE;
  link->guest = g_object_ref (self->guest);
  self->func (self->guest, link, name, port, self->func_data);
  return TRUE;
}

gboolean
berth_guest_links_take (BerthGuestLinks *self, const BerthFrame *frame, gboolean *out_ok,
                        GError **error)
{
  BerthGuestLink *link = g_hash_table_lookup (self->links, GUINT_TO_POINTER (frame->request));

  if (link == NULL && frame->type != BERTH_FRAME_LINK_OPEN)
    return FALSE;
  *out_ok = frame->type == BERTH_FRAME_LINK_OPEN ? links_take_open (self, frame, error)
                                                 : link_take (link, frame, error);
  return TRUE;
}

void
berth_guest_links_go_on (BerthGuestLinks *self)
{
  BerthGuest *guest = self->guest;
  GHashTableIter iter;
  gpointer link;

  g_hash_table_iter_init (&iter, self->links);
  while (g_hash_table_iter_next (&iter, NULL, &link))
    link_give_credit (link);
  for (guint i = self->stalled.length; i > 0 && guest->links == self; i--)
    {
      if (self->stalled.length == 0 || berth_frame_channel_is_full (self->channel))
        return;
      link = g_queue_pop_head (&self->stalled);
      ((BerthGuestLink *)link)->is_stalled = FALSE;
      link_pump (link, FALSE); /* whoever hears of its end may close the guest */
    }
}

static gboolean
cancelled_idle (gpointer user_data)
{
  GTask *task = user_data;
  BerthGuestLink *link = g_task_get_task_data (task);

  if (link != NULL)
    link_end (link, BERTH_LINK_RESET);
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  /* out of the cancellable's lock */
  g_source_set_callback (source, cancelled_idle, g_object_ref (user_data), g_object_unref);
  g_source_attach (source, g_task_get_context (user_data));
}

/* Its end is told to this task. */
static void
link_bind (BerthGuestLink *self, GTask *task, const BerthLinkEnd *end)
{
  GCancellable *cancellable = g_task_get_cancellable (task);

  self->fd = end->fd;
  self->uid = end->uid;
  self->meter = end->meter != NULL ? berth_link_meter_ref (end->meter) : NULL;
  self->task = g_object_ref (task);
  g_task_set_task_data (task, self, NULL);
  if (cancellable != NULL)
    self->cancelled_id
        = g_signal_connect (cancellable, "cancelled", G_CALLBACK (cancelled_cb), task);
}

void
berth_guest_links_open (BerthGuestLinks *self, GTask *task, guint port, const BerthLinkEnd *end)
{
  BerthGuestLink *link = links_add (self, ++*self->last_request);
  guint8 payload[8];

  link_bind (link, task, end);
  link_set_timeout (link, OPEN_TIMEOUT_MS);
  berth_le32_write (payload, link->window);
  berth_le32_write (payload + 4, port);
  berth_frame_channel_send (self->channel, BERTH_FRAME_LINK_OPEN, link->id, payload, sizeof payload,
                            NULL, 0);
}

void
berth_guest_links_set_func (BerthGuestLinks *self, BerthGuestLinkFunc func, gpointer user_data)
{
  self->func = func;
  self->func_data = user_data;
}

BerthGuestLinks *
berth_guest_links_new (BerthGuest *guest, BerthFrameChannel *channel, guint32 *last_request)
{
  BerthGuestLinks *self = g_new0 (BerthGuestLinks, 1);

  self->guest = guest;
  self->channel = channel;
  self->last_request = last_request;
  self->links = g_hash_table_new (NULL, NULL);
  self->rinsing = g_ptr_array_new ();
  g_queue_init (&self->stalled);
  return self;
}

void
berth_guest_links_fail (BerthGuestLinks *self)
{
  GHashTableIter iter;
  gpointer link;

  for (;;)
    {
      g_hash_table_iter_init (&iter, self->links);
      if (g_hash_table_iter_next (&iter, NULL, &link))
        link_finish (link, BERTH_LINK_RESET);
      else if (self->rinsing->len > 0)
        link_finish (self->rinsing->pdata[0], BERTH_LINK_RESET);
      else
        return;
    }
}

void
berth_guest_links_free (BerthGuestLinks *self)
{
  g_assert (g_hash_table_size (self->links) == 0 && self->rinsing->len == 0);
  g_hash_table_unref (self->links);
  g_ptr_array_unref (self->rinsing);
  g_free (self);
}

/* ---- a program's, for the caller ---- */

/* The caller has it no more; FALSE: neither has anybody else. */
static gboolean
link_answer (BerthGuestLink *self)
{
  gboolean is_there = self->all != NULL;

  g_clear_object (&self->guest);
  self->is_unanswered = FALSE;
  if (!is_there)
    link_free (self);
  return is_there;
}

void
berth_guest_link_refuse (BerthGuestLink *link, BerthLinkReason reason)
{
  g_autoptr (BerthGuest) guest = g_object_ref (link->guest);

  if (link_answer (link))
    link_end (link, reason);
}

void
berth_guest_link_accept_async (BerthGuestLink *link, const BerthLinkEnd *end,
                               GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_autoptr (BerthGuest) guest = g_object_ref (link->guest);
  g_autoptr (GTask) task = g_task_new (guest, cancellable, callback, user_data);
  const BerthLinkResult reset = { .reason = BERTH_LINK_RESET };
  guint8 payload[4];

  g_task_set_source_tag (task, berth_guest_link_async);
  if (!link_answer (link))
    {
      berth_caller_fd_close (end->fd);
      tell (g_object_ref (task), &reset);
      return;
    }
  if (g_task_return_error_if_cancelled (task))
    {
      close (end->fd);
      link_end (link, BERTH_LINK_RESET);
      return;
    }
  link_bind (link, task, end);
  link->result.was_connected = TRUE;
  link->state = LINK_FLOWS;
  berth_le32_write (payload, link->window);
  berth_frame_channel_send (link->all->channel, BERTH_FRAME_LINK_OPENED, link->id, payload,
                            sizeof payload, NULL, 0);
  link_watch (link);
}

void
berth_guest_set_link_func (BerthGuest *self, BerthGuestLinkFunc func, gpointer user_data)
{
  if (self->links != NULL)
    berth_guest_links_set_func (self->links, func, user_data);
}

void
berth_guest_link_async (BerthGuest *self, guint port, const BerthLinkEnd *end,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, berth_guest_link_async);
  if (self->links == NULL)
    g_set_error_literal (&error, BERTH_ERROR, BERTH_ERROR_GONE, "the VM is gone");
  else if (self->links->own >= BERTH_LINKS_MAX)
    g_set_error (&error, BERTH_ERROR, BERTH_ERROR_NO_CAPACITY,
                 "%u connections into one sandbox are open, and more may not be at once: close one",
                 BERTH_LINKS_MAX);
  else if (berth_guest_check_version (self->version, BERTH_LINK_VERSION, &error)
           && !g_cancellable_set_error_if_cancelled (cancellable, &error))
    {
      berth_guest_links_open (self->links, task, port, end);
      return;
    }
  berth_caller_fd_close (end->fd);
  g_task_return_error (task, error);
}

BerthLinkResult *
berth_guest_link_finish (BerthGuest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
