/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of one agent: which run, which wait, and how a caller's cancelling reaches them. */
#include "berth-guest-transfer.h"
#include "pool/berth-error.h"

/* More than that are the mistake of a caller that does not wait for answers. */
#define WAITING_MAX 256u

/* One that waits or runs. */
typedef struct
{
  BerthGuestTransfers *all;
  GTask *task;               /* owned */
  BerthFileRequest *request; /* owned, until it runs */
  BerthGuestTransfer *file;  /* NULL while it waits */
  gulong cancelled_id;
} Item;

struct _BerthGuestTransfers
{
  BerthFrameChannel *channel;
  const guint32 *version;
  guint32 *last_request;
  GPtrArray *items; /* Item (borrowed), those that run first */
  guint running;
  gboolean is_failing; /* nothing more is started */
};

static void
item_free (Item *item)
{
  if (item->cancelled_id != 0)
    g_signal_handler_disconnect (g_task_get_cancellable (item->task), item->cancelled_id);
  berth_file_request_free (item->request);
  g_clear_pointer (&item->file, berth_guest_transfer_free);
  g_object_unref (item->task);
  g_free (item);
}

BerthGuestTransfers *
berth_guest_transfers_new (BerthFrameChannel *channel, const guint32 *version,
                           guint32 *last_request)
{
  BerthGuestTransfers *self = g_new0 (BerthGuestTransfers, 1);

  self->channel = channel;
  self->version = version;
  self->last_request = last_request;
  self->items = g_ptr_array_new ();
  return self;
}

void
berth_guest_transfers_free (BerthGuestTransfers *self)
{
  g_assert (self->items->len == 0);
  g_ptr_array_unref (self->items);
  g_free (self);
}

static void files_start (BerthGuestTransfers *self);

/* Takes the item out and ends its task, which may call back. */
static void
item_complete (Item *item, BerthFileResult *result, GError *error)
{
  BerthGuestTransfers *self = item->all;
  g_autoptr (GTask) task = g_object_ref (item->task);

  if (item->file != NULL)
    self->running--;
  g_ptr_array_remove (self->items, item);
  item_free (item);
  files_start (self);
  if (result != NULL)
    g_task_return_pointer (task, result, (GDestroyNotify)berth_file_result_free);
  else
    g_task_return_error (task, error);
}

static void
done_cb (BerthGuestTransfer *file, BerthFileResult *result, GError *error, gpointer user_data)
{
  item_complete (user_data, result, error);
}

static void
files_start (BerthGuestTransfers *self)
{
  for (guint i = self->running; i < self->items->len && self->running < BERTH_FILES_MAX; i++)
    {
      Item *item = g_ptr_array_index (self->items, i);

      if (self->is_failing)
        return;
      self->running++;
      item->file = berth_guest_transfer_new (self->channel, self->version, ++*self->last_request,
                                             g_steal_pointer (&item->request), done_cb, item);
    }
}

static Item *
files_find_task (BerthGuestTransfers *self, GTask *task)
{
  for (guint i = 0; i < self->items->len; i++)
    {
      Item *item = g_ptr_array_index (self->items, i);

      if (item->task == task)
        return item;
    }
  return NULL;
}

void
berth_guest_transfers_cancel (BerthGuestTransfers *self, GTask *task)
{
  Item *item = files_find_task (self, task);

  if (item == NULL)
    return;
  if (item->file != NULL)
    berth_guest_transfer_cancel (item->file);
  else
    item_complete (item, NULL,
                   g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                        "the transfer was withdrawn by its caller"));
}

static gboolean
cancelled_idle (gpointer user_data)
{
  GTask *task = user_data;

  berth_guest_cancel_file (g_task_get_source_object (task), task);
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  /* out of the cancellable's lock, and onto the agent's own thread */
  g_source_set_callback (source, cancelled_idle, g_object_ref (user_data), g_object_unref);
  g_source_attach (source, g_task_get_context (user_data));
}

void
berth_guest_transfers_add (BerthGuestTransfers *self, GTask *task, BerthFileRequest *file)
{
  GCancellable *cancellable = g_task_get_cancellable (task);
  Item *item;

  if (self->items->len >= BERTH_FILES_MAX + WAITING_MAX)
    {
      berth_file_request_free (file);
      g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_QUEUE_FULL,
                               "more than %u transfers of one sandbox at once: wait for answers",
                               BERTH_FILES_MAX + WAITING_MAX);
      return;
    }
  item = g_new0 (Item, 1);
  item->all = self;
  item->task = g_object_ref (task);
  item->request = file;
  if (cancellable != NULL)
    item->cancelled_id
        = g_signal_connect (cancellable, "cancelled", G_CALLBACK (cancelled_cb), task);
  g_ptr_array_add (self->items, item);
  files_start (self);
}

gboolean
berth_guest_transfers_take (BerthGuestTransfers *self, const BerthFrame *frame, gboolean *out_ok,
                            GError **error)
{
  for (guint i = 0; i < self->running; i++)
    {
      Item *item = g_ptr_array_index (self->items, i);

      if (berth_guest_transfer_get_request (item->file) != frame->request)
        continue;
      *out_ok = berth_guest_transfer_take (item->file, frame, error);
      return TRUE;
    }
  return FALSE;
}

void
berth_guest_transfers_go_on (BerthGuestTransfers *self)
{
  for (guint i = 0; i < self->running; i++)
    berth_guest_transfer_go_on (((Item *)g_ptr_array_index (self->items, i))->file);
}

void
berth_guest_transfers_fail (BerthGuestTransfers *self, const GError *error)
{
  self->is_failing = TRUE;
  while (self->items->len > 0)
    {
      Item *item = g_ptr_array_index (self->items, 0);

      if (item->file != NULL)
        berth_guest_transfer_fail (item->file, error);
      else
        item_complete (item, NULL,
                       g_error_new (BERTH_ERROR, BERTH_ERROR_GONE,
                                    "the VM ended before the transfer's turn came (%s)",
                                    error->message));
    }
}

void
berth_guest_transfers_hold (BerthGuestTransfers *self, gboolean is_held)
{
  for (guint i = 0; i < self->items->len; i++)
    {
      Item *item = self->items->pdata[i];

      if (item->file != NULL)
        berth_guest_transfer_hold (item->file, is_held);
    }
}
