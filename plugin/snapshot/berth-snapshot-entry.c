/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How one snapshot comes to be: looked for, made by a VM that waits for its place in the pool like
 * everybody else's, made again when it does not hold any more. One is made at a time; requests are
 * served cold meanwhile. */
#include "plugin/snapshot/berth-snapshot-entry.h"

#include "plugin/base/berth-event.h"
#include "pool/berth-error.h"

/* After a failure: 2 s, 4 s ... up to 10 minutes, for a snapshot costs a boot. */
#define RETRY_FIRST_S 2u
#define RETRY_MAX_S 600u

static void turns_next (BerthSnapshotTurns *self);
static void entry_look (BerthSnapshotEntry *entry);

#define ON(event, reaction) [BERTH_SNAPSHOT_ENTRY_##event] = BERTH_SNAPSHOT_##reaction

/* What is not named is ignored. tests/manager/keeper-states.txt tells what comes of it. */
static const BerthSnapshotReaction
    reactions[BERTH_SNAPSHOT_ENTRY_N_STATES][BERTH_SNAPSHOT_ENTRY_N_EVENTS] = {
      [BERTH_SNAPSHOT_ENTRY_NONE] = {
        ON (WANTED, LOOK),
        ON (WARM_WANTED, LOOK),
        ON (MAKE, LOOK),
        ON (REMOVE, CLEAR),
        ON (SPOILT, FAIL),
      },
      [BERTH_SNAPSHOT_ENTRY_FAILED] = {
        ON (CHECK, LOOK),
        ON (RETRY, LOOK),
        ON (BOOTED, LOOK),
        ON (MAKE, LOOK),
        ON (REMOVE, END),
        ON (SPOILT, FAIL),
      },
      [BERTH_SNAPSHOT_ENTRY_CHECKING] = {
        ON (MAKE, LOOK),
        ON (REMOVE, CLEAR),
        ON (SPOILT, FAIL),
      },
      [BERTH_SNAPSHOT_ENTRY_MAKING] = {
        ON (MAKE, LOOK),
        ON (REMOVE, CLEAR),
        ON (SPOILT, OUTDATE),
      },
      [BERTH_SNAPSHOT_ENTRY_VALID] = {
        ON (WARM_WANTED, TELL),
        ON (WARM_CHANGED, TELL),
        ON (CHECK, LOOK),
        ON (MAKE, LOOK),
        ON (REMOVE, END),
        ON (SPOILT, FAIL),
      },
    };

BerthSnapshotReaction
berth_snapshot_entry_get_reaction (BerthSnapshotEntryState state, BerthSnapshotEntryEvent event)
{
  g_assert ((guint)state < BERTH_SNAPSHOT_ENTRY_N_STATES
            && (guint)event < BERTH_SNAPSHOT_ENTRY_N_EVENTS);
  return reactions[state][event];
}

void
berth_snapshot_entry_set_template (BerthSnapshotEntry *entry, BerthTemplate *template)
{
  g_autoptr (BerthTemplate) old = entry->template;

  entry->template = berth_template_ref (template);
}

BerthSnapshotEntry *
berth_snapshot_entry_new (BerthSnapshotTurns *turns, BerthTemplate *template,
                          const char *tenant_key, BerthWarmTarget *target)
{
  BerthSnapshotEntry *entry = g_new0 (BerthSnapshotEntry, 1);

  entry->turns = turns;
  entry->template = berth_template_ref (template);
  entry->tenant_key = g_strdup (tenant_key);
  entry->name = berth_snapshot_make_name (berth_template_get_name (template), tenant_key);
  entry->target = target;
  entry->callers = g_ptr_array_new_with_free_func (g_object_unref);
  return entry;
}

void
berth_snapshot_entry_free (BerthSnapshotEntry *entry)
{
  g_clear_handle_id (&entry->retry_id, g_source_remove);
  g_ptr_array_unref (entry->callers);
  g_clear_error (&entry->failure);
  berth_template_unref (entry->template);
  g_free (entry->name);
  g_free (entry->tenant_key);
  g_free (entry->last_error);
  g_free (entry);
}

/* ---- what follows from a snapshot's state ---- */

static void
entry_tell_target (BerthSnapshotEntry *entry)
{
  const BerthWarmTarget nothing = { 0 };

  berth_pool_set_warm_target (
      entry->turns->pool, berth_template_get_name (entry->template), entry->tenant_key,
      entry->state == BERTH_SNAPSHOT_ENTRY_VALID ? entry->target : &nothing);
}

static void
entry_tell_pool (BerthSnapshotEntry *entry)
{
  /* warm VMs of before are of another snapshot */
  berth_pool_template_changed (entry->turns->pool, berth_template_get_name (entry->template),
                               entry->tenant_key);
  entry_tell_target (entry);
}

void
berth_snapshot_entry_answer_callers (BerthSnapshotEntry *entry, const GError *error)
{
  g_autoptr (GPtrArray) callers = entry->callers;

  entry->callers = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < callers->len; i++)
    if (error != NULL)
      g_task_return_error (callers->pdata[i], g_error_copy (error));
    else
      g_task_return_boolean (callers->pdata[i], TRUE);
}

static void
keep_end_turn (BerthSnapshotEntry *entry)
{
  if (entry->turns->maker == entry)
    entry->turns->maker = NULL;
  /* who asked for a new one while one of before was found has none yet */
  if (entry->callers->len > 0)
    entry_look (entry);
  turns_next (entry->turns);
}

static void
keep_is_valid (BerthSnapshotEntry *entry)
{
  entry->state = BERTH_SNAPSHOT_ENTRY_VALID;
  entry->failures = 0;
  entry->is_encouraged = FALSE;
  g_clear_pointer (&entry->last_error, g_free);
}

static gboolean
retry_cb (gpointer user_data)
{
  BerthSnapshotEntry *entry = user_data;

  entry->retry_id = 0;
  entry_look (entry);
  return G_SOURCE_REMOVE;
}

static void
entry_has_failed (BerthSnapshotEntry *entry, const GError *error)
{
  const BerthEventSubject subject = { .template_name = berth_template_get_name (entry->template) };
  guint delay_s = RETRY_FIRST_S << MIN (entry->failures, 9);

  entry->state = BERTH_SNAPSHOT_ENTRY_FAILED;
  entry->failures++;
  g_free (entry->last_error);
  entry->last_error = g_strdup (error->message);
  berth_host_drop_recording (entry->turns->host, entry->name);
  entry_tell_pool (entry);
  if (!entry->turns->is_stopped)
    {
      berth_event_log (G_LOG_LEVEL_WARNING, BERTH_EVENT_SNAPSHOT_FAILED, &subject,
                       "no snapshot of %s, requests for it boot: %s", entry->name, error->message);
      g_clear_handle_id (&entry->retry_id, g_source_remove);
      entry->retry_id = berth_host_add_timer (
          entry->turns->host, MIN (delay_s, RETRY_MAX_S) * G_USEC_PER_SEC, retry_cb, entry);
    }
  berth_snapshot_entry_answer_callers (entry, error);
}

/* ---- making one ---- */

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthSnapshotEntry *entry = user_data;
  BerthSnapshotTurns *self = entry->turns;
  g_autoptr (GObject) held = self->owner;
  g_autoptr (GError) error = NULL;

  if (berth_host_finish (BERTH_HOST (source), result, &error))
    {
      const BerthEventSubject subject
          = { .template_name = berth_template_get_name (entry->template) };

      berth_event_log (G_LOG_LEVEL_MESSAGE, BERTH_EVENT_SNAPSHOT_READY, &subject,
                       "the snapshot of %s is ready", entry->name);
      keep_is_valid (entry);
      entry_tell_pool (entry);
      berth_snapshot_entry_answer_callers (entry, NULL);
    }
  else
    entry_has_failed (entry, error);
  keep_end_turn (entry);
}

/* The VM is gone, and with it the last that may write to the snapshot. */
static void
destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthSnapshotEntry *entry = user_data;
  BerthSnapshotTurns *self = entry->turns;
  g_autoptr (GObject) held = self->owner;
  g_autoptr (GError) error = NULL;

  if (!berth_pool_destroy_finish (BERTH_POOL (source), result, &error) && entry->failure == NULL)
    entry->failure = g_steal_pointer (&error);
  if (entry->failure == NULL && self->is_stopped)
    entry->failure
        = g_error_new_literal (BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN, "berth is shutting down");
  if (entry->failure == NULL)
    {
      berth_host_commit_snapshot_async (self->host, entry->name, committed_cb, entry);
      g_object_ref (self->owner);
      return;
    }
  entry_has_failed (entry, entry->failure);
  g_clear_error (&entry->failure);
  keep_end_turn (entry);
}

typedef struct
{
  BerthSnapshotEntry *entry;
  BerthVm *vm;
} Recording;

static void
recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Recording *recording = user_data;
  g_autoptr (BerthVm) vm = recording->vm;
  BerthSnapshotEntry *entry = recording->entry;

  berth_host_finish (BERTH_HOST (source), result, &entry->failure);
  berth_pool_destroy_async (entry->turns->pool, vm, NULL, destroyed_cb, entry);
}

static void
booted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthSnapshotEntry *entry = user_data;
  BerthSnapshotTurns *self = entry->turns;
  g_autoptr (GError) error = NULL;
  BerthVm *vm = berth_pool_acquire_finish (BERTH_POOL (source), result, &error);
  Recording *recording;

  if (vm == NULL)
    {
      g_autoptr (GObject) held = self->owner;

      entry_has_failed (entry, error);
      keep_end_turn (entry);
      return;
    }
  recording = g_new0 (Recording, 1);
  recording->entry = entry;
  recording->vm = vm;
  berth_host_record_async (self->host, vm, recorded_cb, recording);
}

static void
keep_boot (BerthSnapshotEntry *entry)
{
  BerthSnapshotTurns *self = entry->turns;
  const BerthPurpose recorded = { .snapshot_name = entry->name };
  const BerthShape shape = berth_template_get_shape (entry->template);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthRequest) request = berth_purpose_make_request (
      &recorded, &shape, NULL, "snapshot", (guint32)geteuid (), BERTH_REQUEST_WAIT_FOREVER, &error);

  g_assert_no_error (error);
  g_object_ref (self->owner); /* until the turn ends */
  berth_pool_acquire_async (self->pool, request, NULL, booted_cb, entry);
}

/* ---- looking for one ---- */

typedef struct
{
  BerthSnapshotEntry *entry;
  GObject *owner; /* owned: of its turns */
  gboolean is_first;
} Look;

static void
turns_note_first_look (BerthSnapshotTurns *self)
{
  self->n_looking--;
  if (self->n_looking == 0)
    self->known_func (self->owner);
}

/* One of before: the one that clones are made of already, or not; @is_removed: told to be while it
 * was looked at. */
static void
keep_has_found (BerthSnapshotEntry *entry, gboolean is_same, gboolean is_removed)
{
  if (is_removed)
    {
      berth_snapshot_entry_end (entry);
      return;
    }
  keep_is_valid (entry);
  if (is_same)
    entry_tell_target (entry); /* it may have changed while it was looked at */
  else
    entry_tell_pool (entry);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Look *look = user_data;
  g_autoptr (GObject) held = look->owner;
  BerthSnapshotEntry *entry = look->entry;
  BerthSnapshotTurns *self = entry->turns;
  g_autoptr (GError) error = NULL;
  BerthSnapshotFinding finding
      = berth_host_prepare_snapshot_finish (BERTH_HOST (source), result, &error);

  gboolean is_removed = entry->is_removed;

  entry->is_looking = FALSE;
  entry->is_removed = FALSE; /* it meant what was there before this answer */
  if (finding == BERTH_SNAPSHOT_PLACE && !self->is_stopped)
    {
      keep_boot (entry);
      return;
    }
  if (finding == BERTH_SNAPSHOT_SAME || finding == BERTH_SNAPSHOT_FOUND)
    keep_has_found (entry, finding == BERTH_SNAPSHOT_SAME, is_removed);
  else if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_GONE))
    entry->state = BERTH_SNAPSHOT_ENTRY_NONE;
  else if (error != NULL)
    entry_has_failed (entry, error);
  if (look->is_first)
    turns_note_first_look (self);
  else
    keep_end_turn (entry);
}

static void
keep_begin_look (BerthSnapshotEntry *entry, BerthSnapshotWish wish)
{
  BerthSnapshotTurns *self = entry->turns;
  Look *look = g_new0 (Look, 1);

  look->entry = entry;
  look->owner = g_object_ref (self->owner);
  look->is_first = wish == BERTH_SNAPSHOT_EXISTING;
  entry->is_looking = TRUE;
  entry->state = wish == BERTH_SNAPSHOT_EXISTING ? BERTH_SNAPSHOT_ENTRY_CHECKING
                                                 : BERTH_SNAPSHOT_ENTRY_MAKING;
  berth_host_prepare_snapshot_async (self->host, entry->name, self->config->snapshot_dir, wish,
                                     looked_cb, look);
}

void
berth_snapshot_entry_look_first (BerthSnapshotEntry *entry)
{
  keep_begin_look (entry, BERTH_SNAPSHOT_EXISTING);
}

static void
entry_look (BerthSnapshotEntry *entry)
{
  BerthSnapshotTurns *self = entry->turns;

  g_clear_handle_id (&entry->retry_id, g_source_remove);
  if (self->is_stopped || self->is_off || self->maker == entry
      || g_queue_find (&self->waiting, entry) != NULL)
    return;
  entry->state = BERTH_SNAPSHOT_ENTRY_MAKING;
  g_queue_push_tail (&self->waiting, entry);
  turns_next (self);
}

/* One at a time may be made; the others wait for their turn. */
static void
turns_next (BerthSnapshotTurns *self)
{
  if (self->maker != NULL || self->is_stopped || g_queue_is_empty (&self->waiting))
    return;
  self->maker = g_queue_pop_head (&self->waiting);
  keep_begin_look (self->maker,
                   self->maker->callers->len > 0 ? BERTH_SNAPSHOT_NEW : BERTH_SNAPSHOT_ANY);
}

/* ---- its end ---- */

void
berth_snapshot_entry_end (BerthSnapshotEntry *entry)
{
  g_clear_handle_id (&entry->retry_id, g_source_remove);
  berth_host_drop_snapshot (entry->turns->host, entry->name);
  entry->state = BERTH_SNAPSHOT_ENTRY_NONE;
  entry_tell_pool (entry);
}

/* One that is being made stays: it is not there yet. */
static void
entry_clear (BerthSnapshotEntry *entry)
{
  guint64 bytes;

  if (entry->is_looking)
    entry->is_removed = TRUE;
  else if (berth_host_get_snapshot_bytes (entry->turns->host, entry->name, &bytes))
    {
      berth_host_drop_snapshot (entry->turns->host, entry->name);
      entry_tell_pool (entry);
    }
}

gboolean
berth_snapshot_entry_is_idle (BerthSnapshotEntry *entry)
{
  return entry->state == BERTH_SNAPSHOT_ENTRY_NONE || entry->state == BERTH_SNAPSHOT_ENTRY_VALID
         || entry->state == BERTH_SNAPSHOT_ENTRY_FAILED;
}

gboolean
berth_snapshot_entry_fire (BerthSnapshotEntry *entry, BerthSnapshotEntryEvent event,
                           const GError *error)
{
  switch (berth_snapshot_entry_get_reaction (entry->state, event))
    {
    case BERTH_SNAPSHOT_IGNORE:
      return FALSE;
    case BERTH_SNAPSHOT_LOOK:
      entry_look (entry);
      break;
    case BERTH_SNAPSHOT_TELL:
      entry_tell_target (entry);
      break;
    case BERTH_SNAPSHOT_FAIL:
      entry_has_failed (entry, error);
      break;
    case BERTH_SNAPSHOT_OUTDATE:
      g_warning ("%s: %s", entry->name, error->message);
      entry_tell_pool (entry);
      break;
    case BERTH_SNAPSHOT_END:
      berth_snapshot_entry_end (entry);
      break;
    case BERTH_SNAPSHOT_CLEAR:
      entry_clear (entry);
      break;
    }
  return TRUE;
}
